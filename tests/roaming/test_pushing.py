"""What is sent is the difference between what a partner has and what is true (pure)."""

from typing import Any

import pytest

from cpo_platform.common.shapes import parse
from roaming.dialect import Dialect
from roaming.ocpi import pushing
from roaming.ocpi.pushing import Manner, Plan, Push, plan_removal, plan_withdrawal

Json = dict[str, Any]

SITE = ("NL", "TST", "SITE")
VERSIONS = ("2.1.1", "2.2.1", "2.3.0")


def plan_location(document: Json, sent: Json, **options: Any) -> Plan:
    return pushing.plan_location(document, sent, path=SITE, **options)


def plan_tariff(document: Json, sent: Json, **options: Any) -> Plan:
    return pushing.plan_tariff(document, sent, path=("NL", "TST", "T1"), **options)


def plan_session(document: Json, sent: Json, **options: Any) -> Plan:
    return pushing.plan_session(document, sent, path=("NL", "TST", "S1"), **options)


def plan_cdr(document: Json, sent: Json) -> Plan:
    return pushing.plan_cdr(document, sent, path=("NL", "TST", "C1"))


def manner(version: str = "2.2.1", **dialect: Any) -> Manner:
    return Manner.of(parse(Dialect, dialect), version)


def location(*statuses: str, at: int = 0, **fields: Any) -> Json:
    """Return a location whose EVSEs have these statuses; the last of them changed at `at`."""
    moments = [f"2026-06-01T09:00:0{at if number else 0}Z" for number in range(len(statuses))]
    if len(statuses) == 1:
        moments = [f"2026-06-01T09:00:0{at}Z"]
    return {
        "country_code": "NL",
        "party_id": "TST",
        "id": "SITE",
        "evses": [
            {
                "uid": f"E{number}",
                "status": status,
                "connectors": [{"id": "1", "last_updated": "2026-06-01T08:00:00Z"}],
                "last_updated": moments[number],
            }
            for number, status in enumerate(statuses)
        ],
        "last_updated": f"2026-06-01T09:00:0{at}Z",
        **fields,
    }


@pytest.mark.rule("LOC-29", "TR-115")
def test_a_new_location_is_put_whole() -> None:
    document = location("AVAILABLE")

    plan = plan_location(document, {})

    assert plan.pushes == (Push("PUT", ("NL", "TST", "SITE"), document),)


@pytest.mark.rule("LOC-07", "TR-114")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_status_alone_is_patched_at_its_evse(version: str) -> None:
    has = plan_location(location("AVAILABLE", "AVAILABLE"), {}).sent

    plan = plan_location(location("AVAILABLE", "CHARGING", at=5), has, manner=manner(version))

    assert plan.pushes == (
        Push(
            "PATCH",
            ("NL", "TST", "SITE", "E1"),
            {"status": "CHARGING", "last_updated": "2026-06-01T09:00:05Z"},
        ),
    )


def test_a_partner_that_wants_no_patches_gets_the_evse_whole() -> None:
    has = plan_location(location("AVAILABLE", "AVAILABLE"), {}).sent
    document = location("AVAILABLE", "CHARGING", at=5)

    plan = plan_location(document, has, manner=manner(evse_status="PUT"))

    assert plan.pushes == (Push("PUT", (*SITE, "E1"), document["evses"][1]),)
    assert plan.sent == plan_location(document, {}).sent


def test_nothing_new_needs_nothing() -> None:
    has = plan_location(location("AVAILABLE"), {}).sent

    assert plan_location(location("AVAILABLE"), has).pushes == ()


def test_a_status_that_came_back_is_told_with_its_time() -> None:
    has = plan_location(location("AVAILABLE"), {}).sent

    plan = plan_location(location("AVAILABLE", at=7), has)

    assert plan.pushes == (
        Push(
            "PATCH",
            ("NL", "TST", "SITE", "E0"),
            {"status": "AVAILABLE", "last_updated": "2026-06-01T09:00:07Z"},
        ),
    )


def test_two_statuses_within_one_second_are_both_told() -> None:
    """OCPI 2.1.1 has whole seconds: the time alone does not tell them apart."""
    has = plan_location(location("AVAILABLE"), {}).sent

    plan = plan_location(location("CHARGING"), has)

    assert [push.body["status"] for push in plan.pushes if push.body] == ["CHARGING"]


def test_several_statuses_are_patched_oldest_first() -> None:
    has = plan_location(location("AVAILABLE", "AVAILABLE"), {}).sent
    document = location("CHARGING", "CHARGING", at=4)
    document["evses"][0]["last_updated"] = "2026-06-01T09:00:03.500Z"

    assert [push.path[-1] for push in plan_location(document, has).pushes] == ["E0", "E1"]


def test_a_location_whose_every_status_changed_is_put() -> None:
    has = plan_location(location(*["AVAILABLE"] * 12), {}).sent

    plan = plan_location(location(*["CHARGING"] * 12, at=4), has)

    assert [push.method for push in plan.pushes] == ["PUT"]


def test_a_location_whose_time_a_patch_would_not_bring_about_is_put() -> None:
    has = plan_location(location("AVAILABLE"), {}).sent

    plan = plan_location(location("AVAILABLE", last_updated="2026-06-01T12:00:00Z"), has)

    assert [push.method for push in plan.pushes] == ["PUT"]


def test_any_other_change_puts_the_location() -> None:
    has = plan_location(location("AVAILABLE"), {}).sent
    document = location("CHARGING", name="New name")

    assert [push.method for push in plan_location(document, has).pushes] == ["PUT"]


@pytest.mark.rule("LOC-06")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_evse_is_put_whole_at_its_own_url(version: str) -> None:
    has = plan_location(location("AVAILABLE"), {}).sent
    document = location("AVAILABLE", "AVAILABLE", at=6)

    plan = plan_location(document, has, manner=manner(version))

    assert plan.pushes == (Push("PUT", (*SITE, "E1"), document["evses"][1]),)
    assert plan_location(document, plan.sent).pushes == ()


def test_an_evse_that_changed_otherwise_is_put_and_its_neighbour_is_patched() -> None:
    has = plan_location(location("AVAILABLE", "AVAILABLE"), {}).sent
    document = location("AVAILABLE", "CHARGING", at=6)
    document["evses"][0] |= {"floor_level": "-1", "last_updated": "2026-06-01T09:00:05Z"}

    pushes = plan_location(document, has).pushes

    assert [(push.method, push.path[-1]) for push in pushes] == [("PUT", "E0"), ("PATCH", "E1")]


def test_an_evse_that_cannot_be_told_any_more_puts_the_location() -> None:
    has = plan_location(location("AVAILABLE", "AVAILABLE"), {}).sent

    plan = plan_location(location("AVAILABLE"), has)

    assert plan.pushes == (Push("PUT", SITE, location("AVAILABLE")),)


def test_a_location_without_evses_that_a_version_knows_is_put_once() -> None:
    document = {"id": "SITE", "last_updated": "2026-06-01T09:00:00Z"}
    first = plan_location(document, {})

    assert [push.method for push in first.pushes] == ["PUT"]
    assert plan_location(document, first.sent).pushes == ()


@pytest.mark.rule("LOC-09", "LOC-11")
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_a_location_that_is_not_for_the_partner_any_more_is_unpublished_there(
    version: str,
) -> None:
    document = location("AVAILABLE", publish=False, publish_allowed_to=[{"uid": "A"}])
    has = plan_location(document, {}).sent

    plan = plan_withdrawal(document, has, path=SITE, manner=manner(version))

    hidden = location("AVAILABLE", publish=False)
    assert plan.pushes == (Push("PUT", SITE, hidden),)
    assert plan_withdrawal(document, plan.sent, path=SITE, manner=manner(version)).pushes == ()


def test_a_2_1_1_partner_is_told_that_the_evses_are_gone() -> None:
    document = location("AVAILABLE", "REMOVED")
    has = plan_location(document, {}).sent

    plan = plan_withdrawal(document, has, path=SITE, manner=manner("2.1.1"))

    body = {"status": "REMOVED", "last_updated": document["evses"][0]["last_updated"]}
    assert plan.pushes == (Push("PATCH", (*SITE, "E0"), body),)
    assert [push.method for push in plan_location(document, plan.sent).pushes] == ["PUT"]


def test_a_partner_that_never_had_a_location_is_not_told_that_it_is_gone() -> None:
    assert plan_withdrawal(location("AVAILABLE"), {}, path=SITE).pushes == ()


def test_the_whole_is_put_when_asked_for() -> None:
    document = location("AVAILABLE")
    has = plan_location(document, {}).sent

    assert [push.method for push in plan_location(document, has, whole=True).pushes] == ["PUT"]


def tariff(**fields: Any) -> Json:
    return {
        "country_code": "NL",
        "party_id": "TST",
        "id": "T1",
        "last_updated": "2026-06-01T09:00:00Z",
        **fields,
    }


@pytest.mark.rule("TAR-01", "TR-115")
def test_a_tariff_is_put_when_it_differs_and_deleted_when_it_is_gone() -> None:
    first = plan_tariff(tariff(currency="EUR"), {})
    same = plan_tariff(tariff(currency="EUR"), first.sent)
    other = plan_tariff(tariff(currency="NOK"), first.sent)
    gone = plan_removal(first.sent)

    assert [push.method for push in first.pushes] == ["PUT"]
    assert same.pushes == ()
    assert [push.method for push in other.pushes] == ["PUT"]
    assert gone.pushes == (Push("DELETE", ("NL", "TST", "T1")),)
    assert plan_removal(gone.sent).pushes == ()


def session(kwh: float, *periods: int, moment: int = 0, **fields: Any) -> Json:
    return {
        "country_code": "NL",
        "party_id": "TST",
        "id": "S1",
        "kwh": kwh,
        "status": "ACTIVE",
        "charging_periods": [{"start_date_time": period} for period in periods],
        "last_updated": moment,
        **fields,
    }


@pytest.mark.rule("SES-05", "SES-06")
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_a_new_session_is_put_and_then_patched_with_what_changed(version: str) -> None:
    way = manner(version)
    first = plan_session(session(0), {}, manner=way)
    second = plan_session(session(1.5, 100, moment=1), first.sent, manner=way)
    third = plan_session(session(2.5, 100, 200, 300, moment=2), second.sent, manner=way)

    assert [push.method for push in first.pushes] == ["PUT"]
    assert second.pushes == (
        Push(
            "PATCH",
            ("NL", "TST", "S1"),
            {"kwh": 1.5, "charging_periods": [{"start_date_time": 100}], "last_updated": 1},
        ),
    )
    assert third.pushes[0].body == {
        "kwh": 2.5,
        "charging_periods": [{"start_date_time": 200}, {"start_date_time": 300}],
        "last_updated": 2,
    }


@pytest.mark.rule("SES-05")
def test_a_2_1_1_partner_gets_new_periods_by_a_put_and_all_else_by_patches() -> None:
    """What a PATCH does with a list is not said in 2.1.1."""
    way = manner("2.1.1")
    first = plan_session(session(0), {}, manner=way)
    energy = plan_session(session(0.5, moment=1), first.sent, manner=way)
    document = session(1.5, 100, moment=2)
    period = plan_session(document, energy.sent, manner=way)

    assert energy.pushes == (Push("PATCH", ("NL", "TST", "S1"), {"kwh": 0.5, "last_updated": 1}),)
    assert period.pushes == (Push("PUT", ("NL", "TST", "S1"), document),)


def test_a_partner_that_wants_whole_sessions_gets_no_patch() -> None:
    first = plan_session(session(0), {})
    document = session(1.5, moment=1)

    plan = plan_session(document, first.sent, manner=manner(sessions="PUT"))

    assert plan.pushes == (Push("PUT", ("NL", "TST", "S1"), document),)


def test_a_session_that_did_not_change_needs_nothing() -> None:
    first = plan_session(session(1), {})

    assert plan_session(session(1), first.sent).pushes == ()


@pytest.mark.rule("SES-04")
def test_a_period_that_changed_is_corrected_by_a_put() -> None:
    first = plan_session(session(1, 100), {})

    corrected = plan_session(session(1, 101, 200, moment=1), first.sent)

    assert [push.method for push in corrected.pushes] == ["PUT"]


@pytest.mark.rule("SES-04")
def test_a_field_that_is_gone_is_removed_by_a_put() -> None:
    first = plan_session(session(1, meter_id="M"), {})

    assert [push.method for push in plan_session(session(1), first.sent).pushes] == ["PUT"]


def test_a_cdr_is_posted_once() -> None:
    first = plan_cdr({"id": "C1"}, {})

    assert first.pushes == (Push("POST", (), {"id": "C1"}),)
    assert plan_cdr({"id": "C1"}, first.sent).pushes == ()
