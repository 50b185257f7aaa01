"""Pages: stable while objects come, go and change, and as dear at the end as at the start."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from cpo_platform.common.json import format_datetime
from locations.models import Evse, Location
from locations.operations import set_evse_status
from roaming.models import Document
from roaming.ocpi.common import pagination
from sessions_app.operations import sessions
from tests.factories import (
    NOW,
    ConnectorFactory,
    LocationFactory,
    SessionFactory,
    TariffFactory,
    TokenFactory,
    cdr_token,
    evse,
)
from tests.roaming.conftest import Caller, Registered, Reply

pytestmark = pytest.mark.django_db

VERSIONS = ["2.1.1", "2.2.1", "2.3.0"]
ROOT = "http://localhost:8000"

BAD_QUERIES = (
    "limit=0",
    "limit=-1",
    "limit=x",
    "limit=",
    "offset=-1",
    "offset=1.5",
    "after=-1",
    "after=x",
    "date_from=yesterday",
    "date_to=2026-02-30T00:00:00Z",
    "date_from=1780000000",
)

versions = pytest.mark.parametrize("version", VERSIONS)
later_versions = pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])


def sites(count: int, *, first: int = 0) -> list[str]:
    tariff = TariffFactory(id="T")
    names = [f"L{number:03}" for number in range(first, first + count)]
    for number, name in enumerate(names, start=first):
        LocationFactory(
            id=name,
            tariff=tariff,
            evses=[evse(f"E-{name}")],
            now=NOW + timedelta(minutes=number),
        )
    return names


def following(reply: Reply) -> str:
    return reply.headers.get("Link", "").removeprefix(f"<{ROOT}").split(">")[0]


def ids(reply: Reply) -> list[str]:
    return [item["id"] for item in reply.data]


def hide(name: str) -> None:
    Location.objects.filter(ocpi_id=name).update(
        publish=False, last_updated=NOW + timedelta(days=1)
    )


@pytest.mark.rule("TR-70", "TR-73", "TR-75", "TR-83", "TR-121")
@versions
def test_every_page_but_the_last_links_to_the_next_with_every_filter(
    call: Caller, version: str
) -> None:
    names = sites(5)
    filters = "&date_from=2026-01-01T00:00:00%2B01:00&date_to=2027-01-01T00:00:00.5Z"

    first = call.get(f"/ocpi/{version}/locations?offset=1&limit=2{filters}")
    second = call.get(following(first))

    after = Location.objects.get(ocpi_id="L002").pk
    assert first.headers["Link"] == (
        f"<{ROOT}/ocpi/{version}/locations?offset=3&limit=2&date_from=2025-12-31T23%3A00%3A00Z"
        f'&date_to=2027-01-01T00%3A00%3A00.500Z&after={after}>; rel="next"'
    )
    assert ids(first) + ids(second) == names[1:]
    assert "Link" not in second.headers
    assert {first.headers["X-Limit"], second.headers["X-Limit"]} == {"100"}


@pytest.mark.rule("TR-79")
@versions
def test_no_date_to_of_our_own_is_in_the_link(call: Caller, version: str) -> None:
    sites(2)

    reply = call.get(f"/ocpi/{version}/locations?limit=1")

    assert "date_to" not in reply.headers["Link"]
    assert "date_from" not in reply.headers["Link"]


@pytest.mark.rule("TR-70")
@versions
def test_without_parameters_the_first_page_is_meant(call: Caller, version: str) -> None:
    names = sites(3)

    assert ids(call.get(f"/ocpi/{version}/locations")) == names
    assert ids(call.get(f"/ocpi/{version}/locations?offset=0")) == names


@pytest.mark.rule("TR-71", "TR-72")
@versions
def test_date_from_includes_and_date_to_excludes_its_moment(call: Caller, version: str) -> None:
    sites(5)
    start, end = (format_datetime(NOW + timedelta(minutes=minutes)) for minutes in (1, 3))

    reply = call.get(f"/ocpi/{version}/locations?date_from={start}&date_to={end}")

    assert ids(reply) == ["L001", "L002"]
    assert reply.headers["X-Total-Count"] == "2"


@pytest.mark.rule("TR-93")
@versions
def test_a_date_without_z_is_utc(call: Caller, version: str) -> None:
    sites(4)
    texts = ("2026-06-01T08:02:00", "2026-06-01T08:02:00Z", "2026-06-01T08:02:00.000Z")

    found = [ids(call.get(f"/ocpi/{version}/locations?date_from={text}")) for text in texts]

    assert found == [["L002", "L003"]] * 3


@pytest.mark.rule("TR-82")
@versions
def test_a_bad_parameter_is_2001_with_http_200(call: Caller, version: str) -> None:
    sites(1)

    def is_refused(query: str) -> bool:
        reply = call.get(f"/ocpi/{version}/locations?{query}")
        is_named = query.partition("=")[0] in reply.body["status_message"]
        return (reply.status, reply.code) == (200, 2001) and is_named and "data" not in reply.body

    assert [query for query in BAD_QUERIES if not is_refused(query)] == []


@pytest.mark.rule("TR-75", "TR-76", "TR-82")
@versions
def test_a_limit_above_ours_is_lowered_to_ours(
    call: Caller, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites(5)
    monkeypatch.setattr(pagination, "MAX_LIMIT", 2)

    reply = call.get(f"/ocpi/{version}/locations?limit=2000")

    assert ids(reply) == ["L000", "L001"]
    assert reply.headers["X-Limit"] == "2"
    assert "limit=2&" in reply.headers["Link"]


@pytest.mark.rule("TR-75")
@pytest.mark.parametrize(("size", "served"), [(2, 2), (150, 5)])
def test_one_partner_may_have_pages_of_its_own_size(
    first: Registered, size: int, served: int
) -> None:
    sites(5)
    first.partner.dialect = {"page_size": size}
    first.partner.save()

    reply = first.call.get("locations?limit=500")

    assert len(reply.data) == served
    assert reply.headers["X-Limit"] == str(size)


@pytest.mark.rule("TR-77")
@versions
def test_the_order_is_that_of_creation_whatever_changes(call: Caller, version: str) -> None:
    names = sites(4)
    set_evse_status(
        evse_id=Evse.objects.get(uid="E-L000").pk, status="CHARGING", now=NOW + timedelta(days=1)
    )

    assert ids(call.get(f"/ocpi/{version}/locations")) == names


@pytest.mark.rule("TR-77", "TR-78", "TR-79", "TR-81")
@versions
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_crawl_loses_nothing_while_objects_change_vanish_and_come(
    call: Caller, version: str, limit: int
) -> None:
    names = sites(12)
    vanishing = {0: "L001", 1: "L000", 2: "L010"}
    seen: list[str] = []
    path, page = f"/ocpi/{version}/locations?limit={limit}", 0
    while path:
        reply = call.get(path)
        seen += ids(reply)
        path = following(reply)
        if page in vanishing:
            hide(vanishing[page])
            changed = NOW + timedelta(days=1, minutes=page)
            for uid in ("E-L002", "E-L011"):
                status = ("CHARGING", "BLOCKED", "AVAILABLE")[page]
                set_evse_status(evse_id=Evse.objects.get(uid=uid).pk, status=status, now=changed)
            if path:
                names += sites(1, first=12 + page)
        page += 1

    assert len(seen) == len(set(seen))
    assert set(names) - set(vanishing.values()) <= set(seen)
    assert sorted(seen) == seen


@pytest.mark.rule("TR-78")
@versions
def test_what_is_new_comes_last_and_is_counted(call: Caller, version: str) -> None:
    names = sites(3)
    first = call.get(f"/ocpi/{version}/locations?limit=2")
    names += sites(2, first=3)

    second = call.get(following(first))
    third = call.get(following(second))

    assert ids(first) + ids(second) + ids(third) == names
    assert [reply.headers["X-Total-Count"] for reply in (first, second, third)] == ["3", "5", "5"]


def test_an_offset_of_ones_own_is_the_same_page_from_either_end(call: Caller) -> None:
    names = sites(11)
    cases = list(product(VERSIONS, [0, 1, 5, 6, 8, 9, 10, 11, 50]))

    found = {}
    for version, offset in cases:
        reply = call.get(f"/ocpi/{version}/locations?offset={offset}&limit=3")
        total = reply.headers["X-Total-Count"]
        found[version, offset] = (ids(reply), total, "Link" in reply.headers)

    assert found == {
        (version, offset): (names[offset : offset + 3], "11", offset + 3 < 11)
        for version, offset in cases
    }


@versions
def test_the_last_page_costs_the_queries_of_the_first(
    call: Caller, version: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sites(20)
    path, pages = f"/ocpi/{version}/locations?limit=2", 0
    call.get(f"/ocpi/{version}/locations")  # renders them all

    while path:
        # Who calls, and the page.
        with django_assert_num_queries(2):
            reply = call.get(path)
        path = following(reply)
        pages += 1
    assert pages == 10
    # Who calls, the count, and the page.
    for offset in (2, 10, 18):
        with django_assert_num_queries(3):
            assert len(call.get(f"/ocpi/{version}/locations?offset={offset}&limit=2").data) == 2


@pytest.mark.rule("TR-80", "SES-03")
@versions
@pytest.mark.parametrize("module", ["sessions", "cdrs"])
def test_a_list_and_its_count_are_of_the_callers_own_tokens(
    first: Registered, stranger: Registered, version: str, module: str
) -> None:
    charged_by("EMS", 3)
    charged_by("FOE", 2)
    path = f"/ocpi/{version}/{module}?date_from=2020-01-01T00:00:00Z&limit=1"

    for caller, expected in ((first.call, "3"), (stranger.call, "2")):
        reply = caller.get(path)
        assert reply.headers["X-Total-Count"] == expected
        assert len(reply.data) == 1


def charged_by(party_id: str, count: int) -> None:
    for number in range(count):
        uid = f"{party_id}-{number}"
        TokenFactory(uid=uid, party_id=party_id)
        session = SessionFactory(
            connector=ConnectorFactory(id=f"SITE-{uid}", evses=[evse(f"E-{uid}")]),
            cdr_token=cdr_token(uid, party_id=party_id),
        )
        sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)


@pytest.mark.rule("SES-02")
@versions
def test_sessions_need_a_date_from(call: Caller, version: str) -> None:
    missing = call.get(f"/ocpi/{version}/sessions")
    given = call.get(f"/ocpi/{version}/sessions?date_from=2026-01-01T00:00:00Z")

    assert (missing.status, missing.code) == (200, 2001)
    assert "date_from" in missing.body["status_message"]
    assert (given.code, given.data) == (1000, [])


def etag(call: Caller, path: str, known: str = "") -> tuple[int, str, Any]:
    """Return the status, the ETag and the body's length."""
    from base64 import b64encode

    from django.test import Client

    authorization = "Token " + b64encode(call.token.encode()).decode()
    headers = {"Authorization": authorization} | ({"If-None-Match": known} if known else {})
    response = Client().get(path, headers=headers)
    return response.status_code, response.headers.get("ETag", ""), len(response.content)


@versions
def test_a_page_that_is_known_already_is_not_sent_again(call: Caller, version: str) -> None:
    sites(3)
    path = f"/ocpi/{version}/locations?limit=2"
    _status, tag, _length = etag(call, path)

    assert tag.startswith('W/"')
    assert etag(call, path, tag) == (304, tag, 0)
    assert etag(call, path, f'"other", {tag.removeprefix("W/")}') == (304, tag, 0)
    assert etag(call, path, 'W/"other"')[0] == 200


def _change(name: str) -> None:
    set_evse_status(
        evse_id=Evse.objects.get(uid=f"E-{name}").pk,
        status="CHARGING",
        now=NOW + timedelta(days=1),
    )


@pytest.mark.parametrize(
    "happening",
    [
        lambda: _change("L000"),
        lambda: hide("L001"),
        lambda: sites(1, first=9),
        lambda: Document.objects.all().delete(),
    ],
    ids=["a change", "a vanishing", "a new object elsewhere", "a new rendering"],
)
def test_whatever_alters_a_page_alters_its_tag(call: Caller, happening: Any) -> None:
    sites(3)
    path = "/ocpi/2.2.1/locations?limit=2"
    _status, tag, _length = etag(call, path)

    happening()

    status, other, _length = etag(call, path, tag)
    assert (status, other != tag) == (200, True)


def test_another_dialect_is_another_page(first: Registered) -> None:
    sites(1)
    path = "/ocpi/2.2.1/locations"
    _status, tag, _length = etag(first.call, path)

    first.partner.dialect = {"omit": ["locations.facilities"]}
    first.partner.save()

    assert etag(first.call, path, tag)[0] == 200


@later_versions
def test_a_dialect_leaves_out_and_rewrites_on_pulls(first: Registered, version: str) -> None:
    LocationFactory(id="L1", name="Café", parking_type="ON_STREET", evses=[evse("E1")])
    first.partner.dialect = {"omit": ["locations.parking_type"], "ascii_only": True}
    first.partner.save()

    (listed,) = first.call.get(f"/ocpi/{version}/locations").data
    single = first.call.get(f"/ocpi/{version}/locations/L1").data

    assert listed == single
    assert listed["name"] == "Cafe"
    assert "parking_type" not in listed
