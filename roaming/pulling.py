"""Pull what partners hold for us: an eMSP's tokens, a hub's list of parties.

Pages are followed by their `Link` header only (OCPI 2.2.1, transport_and_format, pagination), up
to a number; an entry that cannot be read is noted and skipped, the others count.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin

from cpo_platform.common import acting, clock
from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import ShapeError
from cpo_platform.common.text import storable, unstorable_reason
from roaming import failures, message_log, visibility
from roaming.client import Credential, Party, Reply, Request, endpoint_url, send_once, with_routing
from roaming.locks import PULL, partner_lock
from roaming.models import Partner, PartnerStatus
from roaming.ocpi.common.shapes import Owner
from roaming.ocpi.versions import SENDER, VERSIONS, Version
from roaming.operations import hubs, token_pull
from roaming.operations.token_pull import Refused
from sessions_app.shapes import TokenShape

logger = logging.getLogger(__name__)

T = TypeVar("T")
PAGE_SIZE = 200
MOST_PAGES = 5000
MOST_IN_A_PAGE = 10_000
MOST_URL = 2000
_NEXT = re.compile(r"<([^<>]*)>\s*;[^,<]*\brel\s*=\s*\"?next\"?", re.IGNORECASE)


class PullFailed(Exception):
    """A page could not be read; what was read before it is stored."""


@dataclass(frozen=True)
class Pulled:
    """What a pull brought: `invalid` are tokens that a full list no longer held."""

    full: bool
    pages: int
    stored: int
    skipped: int
    invalid: int


def pull_partner(partner_id: int, *, full: bool | None = None) -> Pulled | None:
    """Pull a partner's tokens, and of a hub that was never asked its parties before that.

    None: there is nothing to pull, or another process is at it. `full` as in `token_pull.begin`.

    Raises:
        PullFailed: the partner's API could not be used; noted at the partner, to be tried again.

    """
    with partner_lock(PULL, partner_id) as taken:
        partner = _registered(partner_id)
        if not taken or partner is None:
            return None
        try:
            with acting.by("ocpi", name=str(partner), what="pull"):
                return _pull_all(partner, full=full)
        except PullFailed as error:
            token_pull.fail(partner_id=partner_id, error=str(error), now=clock.now())
            raise


def _pull_all(partner: Partner, *, full: bool | None) -> Pulled | None:
    if token_pull.clients_are_due(partner):
        pull_client_infos(partner)
        partner = Partner.objects.prefetch_related("roles", "endpoints").get(pk=partner.pk)
    return _pull_tokens(partner, full=full)


def pull_client_infos(partner: Partner) -> int:
    """Read a hub's whole list of parties; return how many it holds.

    Raises:
        PullFailed: a page could not be read.

    """
    version = VERSIONS[partner.version]
    url = endpoint_url(partner, "hubclientinfo", SENDER)
    read = version.shapes.read_client_info
    count = 0
    if url is not None and read is not None:
        # A configuration module: without routing headers.
        for page in _pages(partner, "hubclientinfo", _with_query(url, {"limit": str(PAGE_SIZE)})):
            infos, refused = _readable(page, read)
            _log_refused(partner, "hubclientinfo", refused)
            for info in infos:
                _put_client_info(partner, info)
            count += len(infos)
            if count > hubs.MOST_PARTIES:
                raise PullFailed(f"hubclientinfo: more than {hubs.MOST_PARTIES} parties")
    token_pull.note_clients(partner_id=partner.pk, now=clock.now())
    return count


def _put_client_info(partner: Partner, info: hubs.TheirClientInfo) -> None:
    try:
        hubs.put_client_info(partner_id=partner.pk, info=info)
    except hubs.TooManyParties as error:
        raise PullFailed(f"hubclientinfo: {error}") from error


def _pull_tokens(partner: Partner, *, full: bool | None) -> Pulled | None:
    url = endpoint_url(partner, "tokens", SENDER)
    owners = visibility.emsps_of(partner)
    if url is None or not owners:
        return None
    version = VERSIONS[partner.version]
    progress = token_pull.begin(partner_id=partner.pk, full=full, now=clock.now())
    start = progress["next"] or _first_page(url, token_pull.date_from(progress))
    read = _reader(version, owners)
    for page in _pages(partner, "tokens", start, number=progress["pages"]):
        tokens, refused = _readable(page, read)
        _log_refused(partner, "tokens", refused)
        progress = token_pull.store_page(
            partner_id=partner.pk,
            page=tokens,
            refused=refused,
            following=page.following,
            by_uid=version.shapes.token_by_uid,
        )
    progress, invalid = token_pull.finish(partner_id=partner.pk, owners=owners, now=clock.now())
    return Pulled(
        full=progress["full"],
        pages=progress["pages"],
        stored=progress["stored"],
        skipped=progress["skipped"],
        invalid=invalid,
    )


def _first_page(url: str, date_from: datetime | None) -> str:
    query = {"date_from": format_datetime(date_from)} if date_from else {}
    return _with_query(url, query | {"limit": str(PAGE_SIZE)})


def _with_query(url: str, query: dict[str, str]) -> str:
    return url + ("&" if "?" in url else "?") + urlencode(query)


def _reader(
    version: Version, owners: list[tuple[str, str]]
) -> Callable[[object], TokenShape | None]:
    """Return how a token of the list is read; None for one of an eMSP that is not the partner's."""
    names = {(country_code.lower(), party_id.lower()) for country_code, party_id in owners}
    owner = Owner(*owners[0])

    def read(entry: object) -> TokenShape | None:
        token = version.shapes.read_token(entry, owner)
        mine = (token.country_code.lower(), token.party_id.lower()) in names
        return token if mine else None

    return read


@dataclass(frozen=True)
class _Page:
    number: int
    entries: list[Any]
    following: str


def _pages(partner: Partner, module: str, url: str, *, number: int = 0) -> Iterator[_Page]:
    """Yield page after page, until one has no `Link` to a next one."""
    seen: set[str] = set()
    while url:
        number += 1
        if url in seen:
            raise PullFailed(
                str(failures.SAME_PAGE.filled(module=module, number=str(number), url=url))
            )
        if number > MOST_PAGES:
            raise PullFailed(str(failures.MANY_PAGES.filled(module=module, count=str(MOST_PAGES))))
        seen.add(url)
        reply = _ask(partner, module, url)
        if not reply.ok:
            raise _page_failed(module, number, url, reply.reason)
        # No data is an empty list.
        entries = [] if reply.data is None else reply.data
        if not isinstance(entries, list) or len(entries) > MOST_IN_A_PAGE:
            raise _page_failed(module, number, url, str(failures.NOT_A_LIST))
        following = _following(reply, url)
        yield _Page(number, entries, following)
        url = following


def _page_failed(module: str, number: int, url: str, reason: str) -> PullFailed:
    values = {"module": module, "number": str(number), "url": url, "reason": reason}
    return PullFailed(str(failures.PAGE_FAILED.filled(**values)))


def _ask(partner: Partner, module: str, url: str) -> Reply:
    request = Request("GET", url)
    if module == "tokens":
        request = with_routing(partner, _routed(partner, url))
    reply = send_once(request, Credential.of(partner))
    entry = message_log.sent(
        reply, partner_id=partner.pk, at=clock.now(), module=module, version=partner.version
    )
    message_log.write([entry])
    return reply


def _routed(partner: Partner, url: str) -> Request:
    """Address a hub as itself (GET-all via hub), and an eMSP as itself; nobody out of several."""
    ours = visibility.our_party_of(partner)
    sender = Party(ours.country_code, ours.party_id) if ours else None
    owners = visibility.emsps_of(partner)
    receiver = None
    if hubs.is_hub(partner):
        receiver = Party(partner.hub_party_id[:2], partner.hub_party_id[2:])
    elif len(owners) == 1:
        receiver = Party(*owners[0])
    return Request("GET", url, sender=sender, receiver=receiver)


def _following(reply: Reply, url: str) -> str:
    link = _NEXT.search(reply.headers.get("Link", ""))
    if link is None:
        return ""
    try:
        following: str = urljoin(url, str(link[1]).strip())
    except ValueError as error:  # such as http://[half
        raise PullFailed("the link to the next page is no URL") from error
    if len(following) > MOST_URL:
        raise PullFailed(f"the link to the next page is longer than {MOST_URL} characters")
    return following


def _readable(page: _Page, read: Callable[[object], T | None]) -> tuple[list[T], list[Refused]]:
    """Return the entries that can be read, and why the others cannot; a foreign one is neither."""
    good: list[T] = []
    bad: list[Refused] = []
    for position, entry in enumerate(page.entries):
        reason = unstorable_reason(entry)
        if not reason:
            try:
                item = read(entry)
            except ShapeError as error:
                reason = storable(str(error))[:300]
            else:
                good += [] if item is None else [item]
        if reason:
            uid = entry.get("uid") if isinstance(entry, dict) else None
            named = storable(uid)[:36] if isinstance(uid, str) else ""
            bad.append(Refused(page.number, position, reason, named))
    return good, bad


def _log_refused(partner: Partner, module: str, refused: list[Refused]) -> None:
    for one in refused:
        logger.warning(
            "%s: %s of page %s, entry %s, cannot be read: %s",
            partner.name,
            module,
            one.page,
            one.position,
            one.reason,
        )


def _registered(partner_id: int) -> Partner | None:
    return (
        Partner.objects.prefetch_related("roles", "endpoints")
        .filter(pk=partner_id, status=PartnerStatus.REGISTERED)
        .first()
    )
