"""The pull of partners' tokens: whole and in part, page by page, and what goes wrong on the way."""

import io
import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from cpo_platform.common import clock
from roaming import pulling
from roaming.models import Message, Partner, PartnerRole
from roaming.operations import token_pull
from roaming.tasks import pull_partner, pull_partners
from sessions_app.models import Token
from tests.conftest import Clock
from tests.factories import NOW, PartyFactory, TokenFactory
from tests.roaming.conftest import Registered, make_partner
from tests.roaming.peer import Answered, Peer, Seen, running_peer

pytestmark = pytest.mark.django_db(transaction=True)

EVERY_VERSION = pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    PartyFactory()
    with running_peer() as running:
        running.tokens = {"their-token"}
        yield running


def connected(peer: Peer, version: str = "2.2.1") -> Partner:
    """Return a registered partner NL*EMS whose tokens are at `/tokens`."""
    made = make_partner(endpoints={"tokens": f"{peer.url}/tokens"})
    Partner.objects.update(version=version)
    return Partner.objects.get(pk=made.partner.pk)


def token(uid: str, version: str = "2.2.1", **fields: Any) -> dict[str, Any]:
    common = {
        "uid": uid,
        "type": "RFID",
        "issuer": "An eMSP",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-06-01T08:00:00Z",
    }
    if version == "2.1.1":
        return common | {"auth_id": f"C-{uid}"} | fields
    owner = {"country_code": "NL", "party_id": "EMS", "contract_id": f"C-{uid}"}
    return common | owner | fields


def serve(peer: Peer, *pages: list[Any]) -> None:
    """Have the partner serve these pages, each with a link to the next."""

    def answer(seen: Seen) -> Answered:
        number = int(seen.query.get("offset", "0"))
        headers = {}
        if number + 1 < len(pages):
            rest = "&".join(
                f"{name}={value}" for name, value in seen.query.items() if name != "offset"
            )
            headers["Link"] = f'<{peer.url}/tokens?offset={number + 1}&{rest}>; rel="next"'
        return Answered(pages[number], headers=headers)

    peer.answers["/tokens"] = answer


def uids(**conditions: Any) -> list[str]:
    return sorted(Token.objects.filter(**conditions).values_list("uid", flat=True))


@pytest.mark.rule("TOK-06", "TR-81", "TR-119")
@EVERY_VERSION
def test_a_full_pull_takes_every_page_and_what_it_does_not_hold_is_invalid(
    peer: Peer, version: str
) -> None:
    partner = connected(peer, version)
    old = NOW - timedelta(days=100)
    for uid in ("GONE", "B", "OTHER-EMSP"):
        party = "FOE" if uid == "OTHER-EMSP" else "EMS"
        TokenFactory(uid=uid, party_id=party, last_updated=old, whitelist="NEVER")
    Token.objects.update(created_at=old)
    serve(peer, [token("A", version), token("B", version)], [], [token("C", version)])

    pulled = pulling.pull_partner(partner.pk)

    assert pulled == pulling.Pulled(full=True, pages=3, stored=3, skipped=0, invalid=1)
    assert uids(valid=True) == ["A", "B", "C", "OTHER-EMSP"]
    assert uids(valid=False) == ["GONE"]
    assert Token.objects.get(uid="B").contract_id == "C-B"
    assert Token.objects.get(uid="A").party_id == "EMS"
    first, *_others = peer.seen
    assert "date_from" not in first.query
    assert ("ocpi-to-party-id" in first.headers) is (version != "2.1.1")
    assert Message.objects.filter(direction="OUT", module="tokens", http_status=200).count() == 3


@pytest.mark.rule("TR-67", "TR-119")
def test_tokens_of_an_emsp_that_is_not_the_partners_are_ignored(peer: Peer) -> None:
    partner = connected(peer)
    TokenFactory(uid="X", party_id="FOE", whitelist="NEVER")
    serve(peer, [token("X", party_id="FOE", whitelist="ALWAYS"), token("A")])

    pulled = pulling.pull_partner(partner.pk)

    assert pulled is not None
    assert (pulled.stored, pulled.skipped) == (1, 0)
    assert Token.objects.get(uid="X").whitelist == "NEVER"


@pytest.mark.rule("TR-26")
@EVERY_VERSION
def test_entries_that_cannot_be_read_are_logged_and_the_others_are_taken(
    peer: Peer, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    partner = connected(peer, version)
    known = TokenFactory(uid="BAD", last_updated=clock.now() - timedelta(days=9))
    Token.objects.update(created_at=clock.now() - timedelta(days=9))
    bad = token("BAD", version, whitelist="SOMETIMES")
    serve(
        peer, [token("A", version), bad, "nonsense", None, {"uid": "\\u0000"}, token("B", version)]
    )

    with caplog.at_level(logging.WARNING, logger="roaming.pulling"):
        pulled = pulling.pull_partner(partner.pk)

    assert pulled is not None
    assert (pulled.stored, pulled.skipped, pulled.invalid) == (2, 4, 0)
    assert "entry 1, cannot be read" in caplog.text
    progress = Partner.objects.get(pk=partner.pk).token_pull
    assert progress["refused"][0].startswith("page 1, entry 1: whitelist")
    # It is in the list, as something: it stays as it was.
    known.refresh_from_db()
    assert known.valid


@pytest.mark.rule("TOK-06", "TR-84")
def test_the_next_pull_asks_only_for_what_changed_since_the_last_one(peer: Peer) -> None:
    partner = connected(peer)
    serve(peer, [token("A"), token("B")])
    pulling.pull_partner(partner.pk)
    began = clock.now()
    serve(peer, [token("B", valid=False, last_updated="2026-06-02T08:00:00Z")])

    pulled = pulling.pull_partner(partner.pk)

    assert pulled == pulling.Pulled(full=False, pages=1, stored=1, skipped=0, invalid=0)
    assert uids(valid=True) == ["A"]
    asked = peer.seen[-1].query["date_from"]
    since = datetime.fromisoformat(asked)
    # An overlap: the partner's clock may be behind, and it may commit late.
    assert timedelta(minutes=5) < began - since < timedelta(minutes=15)


def test_a_full_pull_comes_back_every_week_and_at_will(peer: Peer, platform_clock: Clock) -> None:
    partner = connected(peer)
    serve(peer, [token("A")])

    def full(wanted: bool | None = None) -> bool:  # noqa: FBT001
        pulled = pulling.pull_partner(partner.pk, full=wanted)
        assert pulled is not None
        return pulled.full

    assert [full(), full(), full(wanted=True), full()] == [True, False, True, False]
    platform_clock.forward(days=8)
    assert full()


@pytest.mark.rule("TOK-06")
def test_a_pull_that_was_interrupted_goes_on_where_it_was(peer: Peer) -> None:
    partner = connected(peer)
    serve(peer, [token("A")], [token("B")], [token("C")])
    served = peer.answers["/tokens"]
    assert callable(served)
    peer.answers["/tokens"] = lambda seen: (
        Answered(http=503, raw=b"") if seen.query.get("offset") == "1" else served(seen)
    )

    with pytest.raises(pulling.PullFailed, match="page 2"):
        pulling.pull_partner(partner.pk)

    progress = Partner.objects.get(pk=partner.pk).token_pull
    assert (progress["pages"], progress["failures"]) == (1, 1)
    assert "HTTP 503" in progress["error"]
    peer.answers["/tokens"] = served
    peer.seen.clear()
    pulled = pulling.pull_partner(partner.pk)
    assert pulled == pulling.Pulled(full=True, pages=3, stored=3, skipped=0, invalid=0)
    assert [one.query.get("offset") for one in peer.seen] == ["1", "2"]
    # What was on the first page counts as seen.
    assert uids(valid=True) == ["A", "B", "C"]


def test_a_token_that_is_pushed_while_the_list_is_read_stays_valid(peer: Peer) -> None:
    partner = connected(peer)

    def push_meanwhile(_seen: Seen) -> Answered:
        from django.db import connection

        try:
            TokenFactory(uid="NEW", last_updated=clock.now())
        finally:
            connection.close()
        return Answered([token("A")])

    peer.answers["/tokens"] = push_meanwhile

    pulling.pull_partner(partner.pk)

    assert uids(valid=True) == ["A", "NEW"]


@pytest.mark.parametrize(
    "answer",
    [
        Answered(http=500, raw=b""),
        Answered(data={"not": "a list"}),
        Answered(raw=b"<html>"),
        Answered(code=2001),
        Answered(http=401, code=2000),
    ],
    ids=["500", "object", "html", "2001", "401"],
)
@pytest.mark.rule("TR-31")
def test_a_list_that_cannot_be_read_makes_nothing_invalid(peer: Peer, answer: Answered) -> None:
    partner = connected(peer)
    TokenFactory(uid="KNOWN")
    Token.objects.update(created_at=clock.now() - timedelta(days=9))
    peer.answers["/tokens"] = answer

    pull_partner(partner_id=partner.pk)

    assert uids(valid=True) == ["KNOWN"]
    assert Partner.objects.get(pk=partner.pk).token_pull["failures"] == 1


def test_a_list_without_an_end_is_left(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    partner = connected(peer)
    peer.answers["/tokens"] = Answered(
        [token("A")], headers={"Link": f'<{peer.url}/tokens?offset=1>; rel="next"'}
    )
    with pytest.raises(pulling.PullFailed, match="was there before"):
        pulling.pull_partner(partner.pk)

    monkeypatch.setattr(pulling, "MOST_PAGES", 3)
    peer.answers["/tokens"] = lambda seen: Answered(
        [], headers={"Link": f"</tokens?offset={int(seen.query.get('offset', 0)) + 1}>;rel=next"}
    )
    Partner.objects.update(token_pull={})
    with pytest.raises(pulling.PullFailed, match="more than 3 pages"):
        pulling.pull_partner(partner.pk)


@pytest.mark.rule("TR-84")
def test_partners_are_polled_in_hours_and_not_all_at_one_moment(
    peer: Peer, platform_clock: Clock
) -> None:
    partner = connected(peer)
    serve(peer, [token("A")])
    assert token_pull.due_partners(now=clock.now()) == [partner.pk]

    pulling.pull_partner(partner.pk)

    assert token_pull.due_partners(now=clock.now()) == []
    platform_clock.forward(hours=2, minutes=55)
    assert token_pull.due_partners(now=clock.now()) == []
    platform_clock.forward(hours=2, minutes=10)
    assert token_pull.due_partners(now=clock.now()) == [partner.pk]
    pauses = {token_pull.splayed(timedelta(hours=4)) for _ in range(50)}
    assert len(pauses) > 10
    assert timedelta(hours=3) <= min(pauses) <= max(pauses) <= timedelta(hours=5)


def test_the_beat_pulls_who_is_due(
    peer: Peer, worker: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(peer)
    serve(peer, [token("A")])
    stored = threading.Event()
    finish = token_pull.finish

    def finish_and_say(**how: Any) -> Any:
        done = finish(**how)
        stored.set()
        return done

    monkeypatch.setattr(token_pull, "finish", finish_and_say)

    pull_partners()

    assert stored.wait(timeout=15)
    assert uids() == ["A"]
    settings.TOKEN_PULL_HOURS = 0
    Partner.objects.update(token_pull={})
    assert token_pull.due_partners(now=clock.now()) == []


def test_several_emsps_of_one_partner_are_asked_for_together(peer: Peer) -> None:
    partner = connected(peer)
    PartnerRole.objects.create(partner=partner, role="EMSP", country_code="NL", party_id="TWO")
    serve(peer, [token("A"), token("B", party_id="TWO")])

    pulling.pull_partner(partner.pk)

    assert uids() == ["A", "B"]
    assert "ocpi-to-party-id" not in peer.seen[0].headers
    assert peer.seen[0].headers["ocpi-from-party-id"] == "TST"


def test_a_page_costs_the_same_whatever_its_size(
    peer: Peer, django_assert_num_queries: Any
) -> None:
    from cpo_platform.common.shapes import parse
    from sessions_app.operations import tokens
    from sessions_app.shapes import TokenShape

    connected(peer)
    page = [parse(TokenShape, token(f"T{number}")) for number in range(150)]

    # BEGIN, the rows that are there, one INSERT, COMMIT.
    with django_assert_num_queries(4):
        tokens.put_tokens(tokens=page)
    with django_assert_num_queries(3):
        tokens.put_tokens(tokens=page)
    assert Token.objects.count() == 150


def test_ids_are_kept_as_runs() -> None:
    runs = token_pull.merged_runs([[1, 3], [10, 10]], [4, 5, 12, 11, 30, 2])

    assert runs == [[1, 5], [10, 12], [30, 30]]


def test_the_command_pulls_one_partner_or_all(peer: Peer, stranger: Registered) -> None:
    connected(peer)
    serve(peer, [token("A")])
    out = io.StringIO()

    call_command("pull_tokens", "First eMSP", "--full", stdout=out)
    call_command("pull_tokens", stdout=out)

    assert (
        "First eMSP: the whole list, 1 pages, 1 tokens, 0 skipped, 0 made invalid" in out.getvalue()
    )
    assert "First eMSP: what changed" in out.getvalue()
    assert "Other eMSP: nothing to pull" in out.getvalue()
    with pytest.raises(CommandError, match="no registered partner"):
        call_command("pull_tokens", "Nobody")
    peer.answers["/tokens"] = Answered(http=500, raw=b"")
    with pytest.raises(CommandError, match="not pulled: First eMSP"):
        call_command("pull_tokens", "First eMSP", stderr=io.StringIO())
