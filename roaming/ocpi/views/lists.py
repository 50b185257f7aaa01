"""The lists that partners pull: locations, tariffs, sessions, CDRs (Sender interface)."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from roaming import visibility
from roaming.dialect import Dialect
from roaming.ocpi import documents
from roaming.ocpi.common.envelope import Rendered, Request, Response, not_modified
from roaming.ocpi.common.pagination import PageRequest, read_page
from roaming.ocpi.dialects import adapt, dialect_of
from roaming.ocpi.documents import Listing, Page, Rows
from roaming.ocpi.views.base import OcpiView
from roaming.operations.places import of_party

# How long the SQL of a list is used again for a partner that has not changed. It holds the moment
# it was made for; the rows are read anew each time.
COMPILED_FOR = timedelta(seconds=1)
MOST_COMPILED = 1000

_compiled: dict[object, tuple[datetime, Listing | None]] = {}


class ListView(OcpiView):
    """One page of what the caller may see of a module, oldest object first."""

    module = ""
    date_from_required = False

    def visible(self) -> Rows:
        raise NotImplementedError

    def get(self, request: Request, **_kwargs: Any) -> Response:
        partner = self.caller.partner
        dialect = dialect_of(partner) if partner.dialect else None
        asked = read_page(
            request.query_params,
            date_from_required=self.date_from_required,
            most=dialect.page_size if dialect else None,
        )
        audience = self.audience
        wanted = self._listing(asked)
        known = request.headers.get("If-None-Match")
        if known:
            page = documents.page(wanted, audience=audience, request=asked, only_tag=True)
            headers = self._headers(asked, page, dialect)
            if _is_known(known, headers["ETag"]):
                return not_modified(headers)
        page = documents.page(wanted, audience=audience, request=asked)
        bodies = self._bodies(page, dialect)
        return self.done(Rendered(bodies), headers=self._headers(asked, page, dialect))

    def _bodies(self, page: Page, dialect: Dialect | None) -> bytes:
        bodies = page.bodies or []
        if dialect is None or not (dialect.omit or dialect.ascii_only):
            return b",".join(bodies)
        number = self.spec.number
        return ",".join(
            adapt(body.decode(), module=self.module, dialect=dialect, version=number)
            for body in bodies
        ).encode()

    def _headers(self, asked: PageRequest, page: Page, dialect: Dialect | None) -> dict[str, str]:
        headers = asked.headers(
            url=self.spec.module_url(self.module), total=page.total, following=page.following
        )
        said = (page.tag, self.spec.number, self.spec.revision, dialect, sorted(headers.items()))
        digest = hashlib.sha256(repr(said).encode()).hexdigest()[:32]
        # Weak: the timestamp of the envelope is another each time, and gzip may come on top.
        return headers | {"ETag": f'W/"{digest}"'}

    def _listing(self, asked: PageRequest) -> Listing | None:
        """Return the list as SQL, from before if nothing that it depends on has changed."""
        partner = self.caller.partner
        name = (partner.pk, self.route.receiver, asked.date_from, asked.date_to)
        state = (self.module, self.spec, name, self.audience.key, _state(partner))
        made, wanted = _compiled.get(state, (None, None))
        if made is not None and timedelta() <= self.now - made < COMPILED_FOR:
            return wanted
        wanted = documents.listing(
            self._rows(asked),
            module=self.module,
            version=self.spec,
            audience=self.audience,
            name=name,
        )
        if len(_compiled) >= MOST_COMPILED:
            _compiled.clear()
        _compiled[state] = self.now, wanted
        return wanted

    def _rows(self, asked: PageRequest) -> Rows:
        # A request to one of our parties is answered with that party's objects.
        rows = self.visible().filter(of_party(self.route.receiver))
        if asked.date_from is not None:
            rows = rows.filter(last_updated__gte=asked.date_from)
        if asked.date_to is not None:
            rows = rows.filter(last_updated__lt=asked.date_to)
        return rows


def _state(partner: Any) -> tuple[Any, ...]:
    """Return everything about a partner that decides what it may see, and more."""
    roles = tuple(
        (role.pk, role.role, role.country_code, role.party_id, role.granted)
        for role in partner.roles.all()
    )
    loaded = (value for name, value in vars(partner).items() if not name.startswith("_"))
    return (*(value for value in loaded if not isinstance(value, dict | list)), roles)


def _is_known(if_none_match: str, tag: str) -> bool:
    """Compare weakly, as RFC 9110 has it for If-None-Match."""
    plain = tag.removeprefix("W/")
    given = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in given or plain in given


class LocationsView(ListView):
    module = "locations"

    def visible(self) -> Rows:
        return visibility.locations_for(self.caller.partner, now=self.now)


class TariffsView(ListView):
    module = "tariffs"

    def visible(self) -> Rows:
        return visibility.tariffs_for(self.caller.partner, now=self.now)


class SessionsView(ListView):
    module = "sessions"
    date_from_required = True

    def visible(self) -> Rows:
        return visibility.sessions_for(self.caller.partner, now=self.now)


class CdrsView(ListView):
    module = "cdrs"

    def visible(self) -> Rows:
        return visibility.cdrs_for(self.caller.partner, now=self.now)
