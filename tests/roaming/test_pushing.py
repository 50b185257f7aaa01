"""What is sent is the difference between what a partner has and what is true (pure)."""

from typing import Any

from roaming.ocpi.pushing import (
    Push,
    plan_cdr,
    plan_location,
    plan_removal,
    plan_session,
    plan_tariff,
)

Json = dict[str, Any]


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


def test_a_new_location_is_put_whole() -> None:
    document = location("AVAILABLE")

    plan = plan_location(document, {})

    assert plan.pushes == (Push("PUT", ("NL", "TST", "SITE"), document),)


def test_a_status_alone_is_patched_at_its_evse() -> None:
    has = plan_location(location("AVAILABLE", "AVAILABLE"), {}).sent

    plan = plan_location(location("AVAILABLE", "CHARGING", at=5), has)

    assert plan.pushes == (
        Push(
            "PATCH",
            ("NL", "TST", "SITE", "E1"),
            {"status": "CHARGING", "last_updated": "2026-06-01T09:00:05Z"},
        ),
    )


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


def test_a_new_evse_puts_the_location() -> None:
    has = plan_location(location("AVAILABLE"), {}).sent

    plan = plan_location(location("AVAILABLE", "AVAILABLE"), has)

    assert [push.method for push in plan.pushes] == ["PUT"]


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


def test_a_new_session_is_put_and_then_patched_with_what_changed() -> None:
    first = plan_session(session(0), {})
    second = plan_session(session(1.5, 100, moment=1), first.sent)
    third = plan_session(session(2.5, 100, 200, 300, moment=2), second.sent)

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


def test_a_session_that_did_not_change_needs_nothing() -> None:
    first = plan_session(session(1), {})

    assert plan_session(session(1), first.sent).pushes == ()


def test_a_period_that_changed_is_corrected_by_a_put() -> None:
    first = plan_session(session(1, 100), {})

    corrected = plan_session(session(1, 101, 200, moment=1), first.sent)

    assert [push.method for push in corrected.pushes] == ["PUT"]


def test_a_field_that_is_gone_is_removed_by_a_put() -> None:
    first = plan_session(session(1, meter_id="M"), {})

    assert [push.method for push in plan_session(session(1), first.sent).pushes] == ["PUT"]


def test_a_cdr_is_posted_once() -> None:
    first = plan_cdr({"id": "C1"}, {})

    assert first.pushes == (Push("POST", (), {"id": "C1"}),)
    assert plan_cdr({"id": "C1"}, first.sent).pushes == ()
