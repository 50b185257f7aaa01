"""Attacks on three versions and on hubs: to see, stop or block what is another's, to break us."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from pytest_django import Settings

from cpo_platform.common import clock, json
from locations.models import Connector, Evse
from roaming import pulling
from roaming.client import Reply as Answer
from roaming.client import Request
from roaming.models import ClientInfo, Command, Endpoint, Partner, PartnerRole, ProfileRequest
from roaming.operations import hubs
from roaming.operations.partners import TheirCredentials, TheirRole
from roaming.operations.registering import complete_registration
from roaming.tasks import execute_command, execute_profile_request
from sessions_app.models import Cdr, Reservation, Session, SessionStatus, Token
from sessions_app.operations import sessions
from sessions_app.operations.credits import credit_cdr
from sessions_app.simulator import stations
from tariffs.operations import put_tariff, shape_of
from tests.factories import (
    NOW,
    ConnectorFactory,
    LocationFactory,
    PartyFactory,
    SessionFactory,
    TariffFactory,
    TokenFactory,
    cdr_token,
    evse,
)
from tests.roaming.conftest import Caller, Registered, Reply, make_partner

pytestmark = pytest.mark.django_db

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
LATER = ("2.2.1", "2.3.0")
ABLE = [
    "REMOTE_START_STOP_CAPABLE",
    "RESERVABLE",
    "UNLOCK_CAPABLE",
    "CHARGING_PROFILE_CAPABLE",
    "CHARGING_PREFERENCES_CAPABLE",
]
PAST = "date_from=2020-01-01T00:00:00Z"
BACK = "https://emsp.example/back"
TOKEN: dict[str, Any] = {
    "country_code": "NL",
    "party_id": "EMS",
    "uid": "04AA",
    "type": "RFID",
    "contract_id": "NL-EMS-C1",
    "issuer": "First eMSP",
    "valid": True,
    "whitelist": "NEVER",
    "last_updated": "2026-06-01T08:00:00Z",
}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=LATER)
def later(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def partner_in(version: str, party_id: str = "EMS") -> Registered:
    made = make_partner(f"Partner {version} {party_id}", party_id)
    Partner.objects.filter(pk=made.partner.pk).update(version=version)
    made.partner.refresh_from_db()
    return made


def token_in(version: str, party_id: str = "EMS") -> dict[str, Any]:
    token = TOKEN | {"party_id": party_id}
    if version == "2.1.1":
        token["auth_id"] = token.pop("contract_id")
        del token["country_code"], token["party_id"]
    return token


def pull(who: Registered, version: str, module: str, **headers: str) -> Reply:
    return who.call.get(f"/ocpi/{version}/{module}?{PAST}", **headers)


def command(who: Registered, version: str, name: str, **fields: Any) -> Reply:
    headers = {key: fields.pop(key) for key in list(fields) if key.startswith("OCPI")}
    body = {"response_url": f"{BACK}/{name}"} | fields
    return who.call("POST", f"/ocpi/{version}/commands/{name}", body, **headers)


def run() -> Command:
    """Execute the newest command that was accepted."""
    newest = Command.objects.exclude(state="REFUSED").latest("pk")
    execute_command(command_id=newest.pk)
    newest.refresh_from_db()
    return newest


def charging(uid: str = "E1", emsp: str = "EMS", **fields: Any) -> Session:
    """Return a session that runs at an EVSE which can do everything."""
    now = clock.now() - timedelta(minutes=1)
    connector = ConnectorFactory(
        id=f"AT-{uid}", evses=[evse(uid, capabilities=ABLE)], now=now, **fields
    )
    return SessionFactory(connector=connector, cdr_token=cdr_token(party_id=emsp), now=now)


def hub_of(version: str, *names: str) -> Registered:
    """Return the hub NL*HUB with these eMSPs behind it."""
    made = partner_in(version, "HUB")
    made.partner.roles.all().delete()
    for role, name in [("HUB", "HUB"), *(("EMSP", name) for name in names)]:
        PartnerRole.objects.create(
            partner=made.partner, role=role, country_code="NL", party_id=name, via_hub=role != "HUB"
        )
    Partner.objects.filter(pk=made.partner.pk).update(hub_party_id="NLHUB")
    return made


def as_party(party_id: str) -> dict[str, str]:
    return {"OCPI_from_country_code": "NL", "OCPI_from_party_id": party_id}


# Leaks


def test_a_location_for_certain_tokens_is_not_shown_through_the_url_of_2_1_1() -> None:
    who = partner_in("2.2.1")
    LocationFactory(id="HOME", publish=False, publish_allowed_to=[{"uid": "04AA", "type": "RFID"}])

    assert [one["id"] for one in pull(who, "2.2.1", "locations").data] == ["HOME"]
    reply = pull(who, "2.1.1", "locations")
    assert (reply.data, reply.headers["X-Total-Count"]) == ([], "0")
    assert who.call.get("/ocpi/2.1.1/locations/HOME").status == 404


def test_a_credit_is_no_bill_in_the_url_of_2_1_1() -> None:
    who = partner_in("2.3.0")
    session = charging()
    sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())
    credit_cdr(cdr_id=Cdr.objects.get().pk, now=clock.now())

    assert len(pull(who, "2.3.0", "cdrs").data) == 2
    assert len(pull(who, "2.1.1", "cdrs").data) == 1


@pytest.mark.parametrize("url_version", VERSIONS)
def test_a_connection_with_one_party_sees_no_second_one_in_any_version(url_version: str) -> None:
    PartyFactory()
    who = partner_in("2.1.1")
    LocationFactory(country_code="NL", party_id="TWO", id="SECOND")
    charging("E2", country_code="NL", party_id="TWO")

    for module in ("locations", "tariffs", "sessions", "cdrs"):
        assert pull(who, url_version, module).data == [], module
    assert who.call.get(f"/ocpi/{url_version}/locations/SECOND").status == 404


def test_a_session_is_not_priced_by_a_tariff_that_another_partner_has_for_its_own(
    version: str,
) -> None:
    rival, who = partner_in(version), partner_in(version, "FOE")
    public, secret = TariffFactory(id="PUBLIC"), TariffFactory(id="SECRET", type="REGULAR")
    put_tariff(tariff=shape_of(secret), public=False, now=NOW)
    rival.partner.tariffs.add(secret)
    ids = [public.ocpi_id, secret.ocpi_id]
    now = clock.now() - timedelta(minutes=1)
    for uid, party_id in (("E1", "FOE"), ("E2", "EMS")):
        connector = ConnectorFactory(evses=[evse(uid, tariff_ids=ids)], tariff=None, now=now)
        session = SessionFactory(
            connector=connector, cdr_token=cdr_token(party_id=party_id), now=now
        )
        sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())

    texts = [
        json.dump_text(pull(who, version, module).data)
        for module in ("locations", "tariffs", "sessions", "cdrs")
    ]
    assert not [text for text in texts if "SECRET" in text]
    assert "PUBLIC" in texts[-1]
    # It is the other one's own, and for him it counts.
    assert "SECRET" in json.dump_text(pull(rival, version, "cdrs").data)


def test_a_profile_tariff_of_another_partner_cannot_be_felt_for(later: str) -> None:
    who = partner_in(later)
    secret = TariffFactory(id="SECRET", type="PROFILE_FAST")
    put_tariff(tariff=shape_of(secret), public=False, now=NOW)
    session = charging(tariff=secret)
    url = f"/ocpi/{later}/sessions/{session.ocpi_id}/charging_preferences"

    assert who.call("PUT", url, {"profile_type": "FAST"}).data == "PROFILE_TYPE_NOT_SUPPORTED"
    who.partner.tariffs.add(secret)
    assert who.call("PUT", url, {"profile_type": "FAST"}).data == "ACCEPTED"


def test_whatever_is_anothers_is_answered_like_what_does_not_exist(version: str) -> None:
    partner_in(version)
    spy = partner_in(version, "FOE")
    session = charging()
    LocationFactory(id="HIDDEN", publish=False)
    TokenFactory(uid="04AA")
    ask = spy.call
    root = f"/ocpi/{version}"

    def both(method: str, path: str, real: str, body: Any = None) -> None:
        """Compare the answers for something that is there and for something that is not."""
        answers = []
        for name in (real, "x" * len(real)):
            sent = json.loads(json.dumps(body).replace(b"@", name.encode())) if body else None
            reply = ask(method, f"{root}/{path.replace('@', name)}", sent)
            del reply.body["timestamp"]
            answers.append((reply.status, json.dump_text(reply.body).replace(name, "@")))
        assert answers[0] == answers[1]

    both("GET", "locations/@", "HIDDEN")
    both("GET", "tokens/NL/EMS/@", "04AA")
    both(
        "POST", "commands/STOP_SESSION", session.ocpi_id, {"response_url": BACK, "session_id": "@"}
    )
    for name in ("START_SESSION", "RESERVE_NOW", "UNLOCK_CONNECTOR"):
        fields = {
            "token": token_in(version, "FOE"),
            "expiry_date": "2099-01-01T00:00:00Z",
            "reservation_id": 1 if version == "2.1.1" else "1",
            "evse_uid": "E1",
            "connector_id": "1",
        }
        both(
            "POST",
            f"commands/{name}",
            "HIDDEN",
            {"response_url": BACK, "location_id": "@"} | fields,
        )
    if version != "2.1.1":
        query = f"response_url={quote(BACK, safe='')}&duration=60"
        both("GET", f"chargingprofiles/@?{query}", session.ocpi_id)
        both("DELETE", f"chargingprofiles/@?{query}", session.ocpi_id)
        both("PUT", "sessions/@/charging_preferences", session.ocpi_id, {"profile_type": "REGULAR"})
    assert not Command.objects.exclude(state="REFUSED").exists()
    assert not ProfileRequest.objects.exists()


def test_counts_and_tags_do_not_change_with_what_is_anothers(version: str) -> None:
    partner_in(version)
    spy = partner_in(version, "FOE")
    LocationFactory(id="SEEN")
    modules = ("locations", "tariffs", "sessions", "cdrs")

    def marks() -> list[tuple[str, str]]:
        replies = [pull(spy, version, module) for module in modules]
        return [(reply.headers["X-Total-Count"], reply.headers["ETag"]) for reply in replies]

    before = marks()
    LocationFactory(id="HIDDEN", publish=False, tariff=None)
    connector = Connector.objects.get(evse__location__ocpi_id="HIDDEN")
    session = SessionFactory(connector=connector, cdr_token=cdr_token(), now=clock.now())
    sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())
    put_tariff(tariff=shape_of(TariffFactory(id="SECRET")), public=False, now=NOW)

    assert marks() == before


# Hubs


def test_a_party_behind_a_hub_sees_nothing_of_its_neighbours(later: str) -> None:
    hub = hub_of(later, "EM1", "EM2")
    for uid, party_id in (("E1", "EM1"), ("E2", "EM2")):
        session = charging(uid, party_id)
        if uid == "E2":
            sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())

    def seen(module: str, **headers: str) -> list[str]:
        return [one["cdr_token"]["party_id"] for one in pull(hub, later, module, **headers).data]

    assert seen("sessions", **as_party("EM1")) == ["EM1"]
    assert seen("cdrs", **as_party("EM1")) == []
    # The hub itself sees all, named or not.
    assert seen("sessions", **as_party("HUB")) == seen("sessions") == ["EM1", "EM2"]


def test_a_party_behind_a_hub_does_nothing_to_its_neighbours(later: str) -> None:
    hub = hub_of(later, "EM1", "EM2")
    session = charging("E1", "EM2")
    TokenFactory(uid="04AA", party_id="EM2")
    me = as_party("EM1")
    LocationFactory(id="SITE", evses=[evse("E8", capabilities=ABLE)])

    stop = command(hub, later, "STOP_SESSION", session_id=session.ocpi_id, **me)
    start = command(
        hub, later, "START_SESSION", location_id="SITE", token=token_in(later, "EM2"), **me
    )
    limit = hub.call(
        "PUT",
        f"/ocpi/{later}/chargingprofiles/{session.ocpi_id}",
        {"response_url": BACK, "charging_profile": {"charging_rate_unit": "A"}},
        **me,
    )
    token = hub.call(
        "PUT", f"/ocpi/{later}/tokens/NL/EM2/04AA", token_in(later, "EM2") | {"valid": False}, **me
    )

    assert (stop.data["result"], start.data["result"]) == ("UNKNOWN_SESSION", "REJECTED")
    assert limit.data["result"] == "UNKNOWN_SESSION"
    assert token.status == 404
    assert Token.objects.get().valid is True


def test_a_hub_does_not_fill_our_tables(later: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MOST_PARTIES", 2)
    hub = hub_of(later)

    def tell(party_id: str, status: str = "CONNECTED") -> Reply:
        info = {
            "country_code": "NL",
            "party_id": party_id,
            "role": "EMSP",
            "status": status,
            "last_updated": "2026-06-01T08:00:00Z",
        }
        return hub.call("PUT", f"/ocpi/{later}/hubclientinfo/NL/{party_id}", info)

    assert [tell(name).code for name in ("AAA", "BBB", "CCC")] == [1000, 1000, 2000]
    assert tell("BBB", "OFFLINE").code == 1000
    assert ClientInfo.objects.count() == 2


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_hub_whose_clock_is_wild_is_answered(later: str, moment: str) -> None:
    hub = hub_of(later, "EMS")
    Partner.objects.update(registered_at=clock.now())
    charging()

    for status in ("OFFLINE", "CONNECTED"):
        info = {
            "country_code": "NL",
            "party_id": "EMS",
            "role": "EMSP",
            "status": status,
            "last_updated": moment,
        }
        assert hub.call("PUT", f"/ocpi/{later}/hubclientinfo/NL/EMS", info).code == 1000


def test_a_partner_that_is_no_hub_tells_nothing_of_others(later: str) -> None:
    who = partner_in(later)
    info = {
        "country_code": "NL",
        "party_id": "FOE",
        "role": "EMSP",
        "status": "SUSPENDED",
        "last_updated": "2026-06-01T08:00:00Z",
    }

    assert who.call("PUT", f"/ocpi/{later}/hubclientinfo/NL/FOE", info).status == 405
    assert not ClientInfo.objects.exists()


@pytest.mark.parametrize("auto_grant", [False, True])
def test_a_hub_does_not_take_an_emsp_that_another_partner_speaks_for(
    later: str,
    auto_grant: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    victim, hub = partner_in(later), hub_of(later)
    Partner.objects.filter(pk=hub.partner.pk).update(auto_grant=auto_grant)
    charging()
    for party_id in ("EMS", "NEW"):
        info = {
            "country_code": "nl",
            "party_id": party_id.lower(),
            "role": "EMSP",
            "status": "CONNECTED",
            "last_updated": "2026-06-01T08:00:00Z",
        }
        assert hub.call("PUT", f"/ocpi/{later}/hubclientinfo/NL/{party_id}", info).code == 1000

    granted = hub.partner.roles.filter(role="EMSP", granted=True)
    assert [role.party_id for role in granted] == (["new"] if auto_grant else [])
    assert pull(hub, later, "sessions").data == []
    assert pull(hub, later, "sessions", **as_party("EMS")).data == []
    assert len(pull(victim, later, "sessions").data) == 1


# State


def test_a_strangers_session_is_not_ended_by_unlocking(version: str) -> None:
    owner, stranger = partner_in(version), partner_in(version, "FOE")
    session = charging()
    place = {"location_id": "AT-E1", "evse_uid": "E1", "connector_id": "1"}

    reply = command(stranger, version, "UNLOCK_CONNECTOR", **place)

    assert (reply.code, reply.data["result"]) == (1000, "REJECTED")
    assert not Command.objects.exclude(state="REFUSED").exists()
    assert command(owner, version, "UNLOCK_CONNECTOR", **place).data["result"] == "ACCEPTED"
    run()
    session.refresh_from_db()
    assert session.status == SessionStatus.COMPLETED


def test_a_session_that_began_after_the_command_is_not_ended_by_unlocking(version: str) -> None:
    stranger = partner_in(version, "FOE")
    now = clock.now()
    connector = ConnectorFactory(id="SITE", evses=[evse("E1", capabilities=ABLE)], now=now)
    place = {"location_id": "SITE", "evse_uid": "E1", "connector_id": "1"}
    assert command(stranger, version, "UNLOCK_CONNECTOR", **place).data["result"] == "ACCEPTED"
    session = SessionFactory(connector=connector, cdr_token=cdr_token(), now=now)

    assert run().result == "REJECTED"

    session.refresh_from_db()
    assert session.status == SessionStatus.ACTIVE


def test_an_emsp_does_not_reserve_the_whole_network(version: str, settings: Settings) -> None:
    settings.RESERVATIONS_PER_EMSP = 2
    who, other = partner_in(version), partner_in(version, "FOE")
    LocationFactory(id="SITE", evses=[evse(f"E{one}", capabilities=ABLE) for one in range(5)])

    def reserve(emsp: Registered, number: int, party_id: str = "EMS") -> Reply:
        return command(
            emsp,
            version,
            "RESERVE_NOW",
            response_url=f"{BACK}/{number}",
            token=token_in(version, party_id),
            expiry_date="2099-01-01T00:00:00Z",
            reservation_id=number if version == "2.1.1" else str(number),
            location_id="SITE",
            evse_uid=f"E{number}",
        )

    assert reserve(who, 0).data["result"] == "ACCEPTED"
    run()
    # One that nobody has decided about yet counts as well.
    assert reserve(who, 1).data["result"] == "ACCEPTED"
    assert reserve(who, 2).data["result"] == "REJECTED"
    run()
    assert reserve(who, 3).data["result"] == "REJECTED"
    # Changing one is not another one, and others have their own.
    assert reserve(who, 1).data["result"] == "ACCEPTED"
    assert reserve(other, 4, "FOE").data["result"] == "ACCEPTED"
    assert Reservation.objects.active().count() == 2


@pytest.mark.parametrize("expiry_date", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z"])
def test_a_reservation_until_the_end_of_time_can_be_ended(later: str, expiry_date: str) -> None:
    who = partner_in(later)
    LocationFactory(id="SITE", evses=[evse("E1", capabilities=ABLE)])
    command(
        who,
        later,
        "RESERVE_NOW",
        token=token_in(later),
        expiry_date=expiry_date,
        reservation_id="R1",
        location_id="SITE",
        evse_uid="E1",
    )
    assert run().result == "ACCEPTED"
    session_id = pull(who, later, "sessions").data[0]["id"]

    # It is no session that could be stopped.
    stop = command(who, later, "STOP_SESSION", session_id=session_id)
    assert stop.data["result"] == "REJECTED"
    assert command(who, later, "CANCEL_RESERVATION", reservation_id="R1").data["result"]
    assert run().result == "ACCEPTED"
    assert not Reservation.objects.active().exists()


# Input

HOSTILE = [
    "null",
    "[]",
    "{}",
    "true",
    "-1",
    "1.5",
    "1e300",
    "18446744073709551615",
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"' + "x" * 5000 + '"',
    '"9999-12-31T23:59:59-14:00"',
    "[[[]]]",
    '["x"]',
]


def bodies(version: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return by path a method and a body that is right."""
    token = token_in(version)
    place = {"location_id": "SITE", "evse_uid": "E1"}
    reply_to = {"response_url": BACK}
    number = 7 if version == "2.1.1" else "7"
    found: dict[str, tuple[str, dict[str, Any]]] = {
        "tokens/NL/EMS/04AA": ("PUT", token),
        "commands/START_SESSION": ("POST", reply_to | place | {"token": token}),
        "commands/STOP_SESSION": ("POST", reply_to | {"session_id": "S"}),
        "commands/UNLOCK_CONNECTOR": ("POST", reply_to | place | {"connector_id": "1"}),
        "commands/RESERVE_NOW": (
            "POST",
            reply_to
            | place
            | {"token": token, "expiry_date": "2099-01-01T00:00:00Z", "reservation_id": number},
        ),
    }
    if version == "2.1.1":
        return found
    period = {"start_period": 0, "limit": 10}
    profile = {
        "charging_rate_unit": "A",
        "duration": 60,
        "min_charging_rate": 1,
        "start_date_time": "2026-06-01T08:00:00Z",
        "charging_profile_period": [period],
    }
    return found | {
        "commands/CANCEL_RESERVATION": ("POST", reply_to | {"reservation_id": "7"}),
        "chargingprofiles/S": ("PUT", reply_to | {"charging_profile": profile}),
        "chargingprofiles/T": ("PUT", reply_to | {"charging_profile": profile}),
        "sessions/S/charging_preferences": (
            "PUT",
            {
                "profile_type": "CHEAP",
                "departure_time": "2099-01-01T00:00:00Z",
                "energy_need": 10,
                "discharge_allowed": False,
            },
        ),
    }


MARK = "@@"


def spoiled(document: Any, value: str) -> Iterator[bytes]:
    """Yield a document once for each of its fields, at any depth, with that field spoiled."""
    for copy in _marked(document):
        yield json.dumps(copy).replace(f'"{MARK}"'.encode(), value.encode())


def _marked(part: Any) -> Iterator[Any]:
    fields = part.items() if isinstance(part, dict) else []
    for name, child in fields:
        yield part | {name: MARK}
        for deeper in _marked(child):
            yield part | {name: deeper}
    for child in part if isinstance(part, list) else []:
        for deeper in _marked(child):
            yield [deeper]


@pytest.mark.parametrize("value", HOSTILE)
def test_no_field_of_any_body_makes_us_fail(version: str, value: str) -> None:
    who = partner_in(version)
    LocationFactory(id="SITE", evses=[evse("E1", capabilities=ABLE)])

    for path, (method, body) in bodies(version).items():
        for raw in spoiled(body, value):
            reply = who.call(method, f"/ocpi/{version}/{path}", raw)
            assert reply.code // 1000 in {1, 2}, (path, raw, reply.body)
            assert reply.status in {200, 201, 400, 404}, (path, raw, reply.body)


@pytest.mark.parametrize("value", ["[]", "{}", '["RFID"]'])
def test_a_pulled_token_with_a_type_that_is_none_is_skipped(value: str) -> None:
    from roaming.ocpi.common.shapes import Owner
    from roaming.ocpi.versions import VERSIONS as TABLE

    entries = [token_in("2.1.1") | {"type": json.loads(value.encode())}, token_in("2.1.1")]
    page = pulling._Page(1, entries, "")
    read = TABLE["2.1.1"].shapes.read_token

    good, bad = pulling._readable(page, lambda entry: read(entry, Owner("NL", "EMS")))

    assert ([one.uid for one in good], len(bad)) == (["04AA"], 1)


# A partner's own side: pulls, pushes, profiles, credentials


@pytest.mark.parametrize(
    ("link", "error"),
    [
        ('<http://[half>; rel="next"', "no URL"),
        ("<https://emsp.example/" + "x" * 3000 + '>; rel="next"', "longer than"),
    ],
)
def test_a_link_that_is_no_url_ends_the_pull_and_is_noted(
    monkeypatch: pytest.MonkeyPatch, version: str, link: str, error: str
) -> None:
    who = partner_in(version)
    Endpoint.objects.create(
        partner=who.partner, identifier="tokens", role="SENDER", url="https://emsp.example/t"
    )

    def send_once(request: Request, *_args: object, **_kwargs: object) -> Answer:
        return Answer(request, 200, status_code=1000, data=[], headers={"Link": link})

    monkeypatch.setattr(pulling, "send_once", send_once)

    with pytest.raises(pulling.PullFailed, match=error):
        pulling.pull_partner(who.partner.pk)

    who.partner.refresh_from_db()
    assert error in who.partner.token_pull["error"]


def test_a_query_of_thousands_of_parameters_is_the_callers_mistake(version: str) -> None:
    who = partner_in(version)

    reply = who.call.get(f"/ocpi/{version}/locations?" + "&".join(f"a{n}=1" for n in range(2000)))

    assert (reply.status, reply.code) == (200, 2001)


NO_CURSORS = ("-1", "abc", "9223372036854775808", "", "1%00", "%D9%A1")


def test_a_cursor_that_is_none_of_ours_is_refused(version: str) -> None:
    call = partner_in(version).call

    replies = {one: call.get(f"/ocpi/{version}/locations?after={one}") for one in NO_CURSORS}

    assert {one: reply.code for one, reply in replies.items()} == dict.fromkeys(NO_CURSORS, 2001)


def test_a_cursor_of_another_list_shows_nothing_more(version: str) -> None:
    who = partner_in(version)
    LocationFactory(id="SEEN")
    LocationFactory(id="HIDDEN", publish=False)

    for after in (0, 1, 10**9, 2**63 - 1):
        page = who.call.get(f"/ocpi/{version}/locations?after={after}&offset=1&limit=1")
        assert {one["id"] for one in page.data} <= {"SEEN"}
        assert page.headers["X-Total-Count"] == "1"


TAGS = ("", "*", 'W/"', '"' * 1000, "W/" * 5000, "x,y,,,\x01", 'W/"0", "é"')


def test_any_if_none_match_is_answered(version: str) -> None:
    call = partner_in(version).call

    replies = {tag: call.get(f"/ocpi/{version}/locations", If_None_Match=tag) for tag in TAGS}

    expected = {tag: 304 if tag == "*" else 200 for tag in TAGS}
    assert {tag: reply.status for tag, reply in replies.items()} == expected


def test_a_profile_of_the_end_of_time_is_answered_with_a_result(later: str) -> None:
    who = partner_in(later)
    session = charging()
    periods = [{"start_period": 31_536_000 - n, "limit": n / 10} for n in range(1000)]
    profiles: list[dict[str, Any]] = [
        {"start_date_time": "9999-12-31T23:59:59Z", "duration": 31_536_000},
        {"start_date_time": "0001-01-01T00:00:00Z", "duration": 0},
        {"charging_profile_period": periods},
        {"charging_profile_period": [], "min_charging_rate": 1e9},
        {"charging_profile_period": [{"start_period": 5, "limit": 1e12}], "duration": 1},
    ]
    for profile in profiles:
        body = {"response_url": BACK, "charging_profile": {"charging_rate_unit": "W"} | profile}
        reply = who.call("PUT", f"/ocpi/{later}/chargingprofiles/{session.ocpi_id}", body)
        assert reply.code in {1000, 2001}, reply.body
        query = f"response_url={quote(BACK, safe='')}&duration=31536000"
        who.call.get(f"/ocpi/{later}/chargingprofiles/{session.ocpi_id}?{query}")
        for request in ProfileRequest.objects.filter(state="ACCEPTED").order_by("pk"):
            execute_profile_request(request_id=request.pk)
    assert not ProfileRequest.objects.exclude(state="FINISHED").exists()
    stations.SimulatedStations().advance(now=clock.now())


def test_preferences_beyond_all_measure_are_answered(later: str) -> None:
    who = partner_in(later)
    fast = TariffFactory(type="PROFILE_CHEAP")
    session = charging(tariff=fast)
    for fields in (
        {"energy_need": 1e15, "departure_time": "9999-12-31T23:59:59Z"},
        {"energy_need": 1e-9, "departure_time": "0001-01-01T00:00:00Z"},
        {"energy_need": 0, "departure_time": "9999-12-31T23:59:59.999Z"},
    ):
        reply = who.call(
            "PUT",
            f"/ocpi/{later}/sessions/{session.ocpi_id}/charging_preferences",
            {"profile_type": "CHEAP"} | fields,
        )
        assert (reply.status, reply.code // 1000) in {(200, 1), (200, 2)}, reply.body


NO_BUSINESS = (
    "http://127.0.0.1/x",
    "https://10.1.2.3/x",
    "https://[::1]/x",
    "https://user:secret@127.0.0.1/",
    "https://１２７.0.0.1/",
    "file:///etc/passwd",
    "gopher://emsp.example/",
    "https://emsp.example:99999/",
    "https://",
    "https:///x",
    "javascript:alert(1)",
)


def test_no_response_url_leads_to_where_partners_have_no_business(later: str) -> None:
    who = partner_in(later)
    session = charging()

    replies: list[tuple[str, Reply]] = []
    for url in NO_BUSINESS:
        stop = command(who, later, "STOP_SESSION", response_url=url, session_id=session.ocpi_id)
        body = {"response_url": url, "charging_profile": {"charging_rate_unit": "A"}}
        profile = who.call("PUT", f"/ocpi/{later}/chargingprofiles/{session.ocpi_id}", body)
        replies += [(url, stop), (url, profile)]

    taken = [
        (url, reply.body)
        for url, reply in replies
        if reply.code != 2001 and reply.data["result"] != "REJECTED"
    ]
    assert taken == []
    assert not Command.objects.exclude(state="REFUSED").exists()
    assert not ProfileRequest.objects.exists()


MESSAGE_IDS = ("x" * 5000, "é", "\x7f", "<script>", "1;2,3")


def test_any_message_id_is_survived(version: str) -> None:
    call = partner_in(version).call

    wrong = []
    for name, value in product(("X-Request-ID", "X-Correlation-ID"), MESSAGE_IDS):
        reply = call("PUT", f"/ocpi/{version}/tokens/NL/EMS/X", {}, **{name: value})
        if reply.code != 2001 or len(reply.headers[name]) > 100:
            wrong.append((name, value, reply))
    assert wrong == []


@pytest.mark.parametrize("url_version", VERSIONS)
def test_the_token_of_a_registration_opens_nothing_in_any_version(url_version: str) -> None:
    invited = make_partner("Invited", "INV", status="INVITED")
    LocationFactory()

    for module in ("locations", "tariffs", "sessions", "cdrs"):
        assert pull(invited, url_version, module).status == 401
    info = invited.call.get(f"/ocpi/{url_version}/hubclientinfo/NL/EMS")
    assert info.status in {401, 404}
    assert invited.call("DELETE", f"/ocpi/{url_version}/credentials").status == 405


def test_naming_a_party_in_another_role_keeps_nobody_from_registering(later: str) -> None:
    attacker = partner_in(later, "ATK")
    PartnerRole.objects.create(
        partner=attacker.partner, role="NSP", country_code="nl", party_id="ems"
    )
    victim = make_partner("Victim", "EMS")
    roles = tuple(TheirRole(role, "NL", "EMS") for role in ("EMSP", "NSP"))

    complete_registration(
        partner_id=victim.partner.pk,
        credentials=TheirCredentials("theirs", "https://emsp.example/v", roles),
        endpoints=[],
        version=later,
        token_base64=True,
        our_token="another",
        our_parties=[],
        now=NOW,
    )

    assert {role.role: role.granted for role in victim.partner.roles.all()} == {
        "EMSP": True,
        "NSP": False,
    }


def test_a_partner_of_another_version_is_not_locked_out_by_old_tokens_in_a_loop() -> None:
    """Each exchange ends the grace of those before it; the newest token always works."""
    who = make_partner()
    for number in range(5):
        complete_registration(
            partner_id=who.partner.pk,
            credentials=TheirCredentials(
                f"theirs-{number}",
                "https://emsp.example/v",
                (TheirRole("EMSP", "NL", "EMS"),),
            ),
            endpoints=[],
            version=VERSIONS[number % 3],
            token_base64=True,
            our_token=f"ours-{number}",
            our_parties=["NL*TST"],
            now=clock.now(),
        )
    tokens = [Caller(f"ours-{number}") for number in range(5)]

    assert tokens[4].get("/ocpi/2.2.1/tariffs").code == 1000
    assert [one.get("/ocpi/versions").status for one in tokens[:4]] == [401] * 4
    assert who.call.get("/ocpi/versions").status == 401


def test_a_command_with_a_competitors_card_does_not_catch_its_drivers(version: str) -> None:
    partner_in(version)
    spy = partner_in(version, "FOE")
    TokenFactory(uid="04AA", whitelist="ALWAYS")
    LocationFactory(id="SITE", evses=[evse(one, capabilities=ABLE) for one in ("E1", "E2")])
    command(
        spy,
        version,
        "RESERVE_NOW",
        token=token_in(version, "FOE"),
        expiry_date="2099-01-01T00:00:00Z",
        reservation_id=1 if version == "2.1.1" else "1",
        location_id="SITE",
    )
    assert run().result == "ACCEPTED"
    place = Evse.objects.get(uid="E2")
    station = stations.SimulatedStations()
    station.plug(evse_id=place.pk, now=clock.now())

    assert station.present_token(evse_id=place.pk, uid="04AA", now=clock.now()).message == ""

    station.advance(now=clock.now() + timedelta(seconds=30))
    session = Session.objects.ongoing().get()
    assert session.token_party_id == "EMS"
    assert session.ocpi_id not in json.dump_text(pull(spy, version, "sessions").data)
