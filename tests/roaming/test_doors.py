"""What of ours each partner may see: by rule, by version, and as it is explained to staff."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from locations.models import Evse, Location, LocationGroup
from locations.operations import set_evse_status
from roaming import explaining, visibility
from roaming.models import Partner, PartnerStatus, Quarantined
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.versions import VERSIONS
from sessions_app.models import Cdr, Reservation, ReservationStatus, Session
from sessions_app.operations import sessions
from tariffs.models import Party, Tariff
from tariffs.operations import put_tariff, shape_of
from tests.factories import (
    NOW,
    LocationFactory,
    PartyFactory,
    SessionFactory,
    TariffFactory,
    cdr_token,
    evse,
)
from tests.roaming.conftest import make_partner

pytestmark = pytest.mark.django_db

ALL = ("2.1.1", "2.2.1", "2.3.0")
LATER = ("2.2.1", "2.3.0")


def partner_of(version: str, **fields: Any) -> Partner:
    """Return the registered partner NL*EMS in a version."""
    partner = make_partner().partner
    Partner.objects.filter(pk=partner.pk).update(version=version, **fields)
    return Partner.objects.get(pk=partner.pk)


def seen(partner: Partner) -> list[str]:
    rows = visibility.locations_for(partner, now=NOW)
    return sorted(rows.values_list("ocpi_id", flat=True))


def tariffs_seen(partner: Partner) -> list[str]:
    rows = visibility.tariffs_for(partner, now=NOW)
    return sorted(rows.values_list("ocpi_id", flat=True))


# Locations


@pytest.mark.rule("LOC-05", "LOC-11", "LOC-30")
@pytest.mark.parametrize("version", ALL)
def test_a_location_is_seen_when_it_is_published_and_has_an_evse(version: str) -> None:
    partner = partner_of(version)
    LocationFactory(id="OPEN")
    LocationFactory(id="HIDDEN", publish=False)
    LocationFactory(id="EMPTY", evses=[])

    assert seen(partner) == ["OPEN"]


@pytest.mark.rule("LOC-09", "LOC-10", "LOC-11")
@pytest.mark.parametrize(("version", "expected"), [("2.1.1", []), *((v, ["HOME"]) for v in LATER)])
def test_a_location_for_certain_tokens_is_sent_where_the_version_can_say_so(
    version: str, expected: list[str]
) -> None:
    partner = partner_of(version)
    allowed = [{"uid": "04AA", "type": "RFID"}]
    LocationFactory(id="HOME", publish=False, publish_allowed_to=allowed)

    assert seen(partner) == expected


@pytest.mark.rule("LOC-05")
@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize(("days", "expected"), [(29, ["SITE"]), (31, [])])
def test_a_location_whose_evses_were_all_removed_stays_for_a_month(
    version: str, days: int, expected: list[str]
) -> None:
    partner = partner_of(version)
    LocationFactory(id="SITE", evses=[evse("E1")], now=NOW - timedelta(days=90))
    removed = NOW - timedelta(days=days)
    set_evse_status(evse_id=Evse.objects.get().pk, status="REMOVED", now=removed)

    assert seen(partner) == expected


@pytest.mark.rule("LOC-05")
def test_a_location_with_one_evse_in_place_stays_however_old_it_is() -> None:
    partner = partner_of("2.2.1")
    old = NOW - timedelta(days=90)
    LocationFactory(id="SITE", evses=[evse("E1"), evse("E2", status="REMOVED")], now=old)

    assert seen(partner) == ["SITE"]


@pytest.mark.parametrize("version", ALL)
def test_a_partner_of_groups_sees_the_locations_of_its_groups(version: str) -> None:
    partner = partner_of(version, all_locations=False)
    inside: Location = LocationFactory(id="INSIDE")
    LocationFactory(id="OUTSIDE")
    group = LocationGroup.objects.create(name="Fleet")
    group.locations.add(inside)
    assert seen(partner) == []

    partner.location_groups.add(group)

    assert seen(partner) == ["INSIDE"]


@pytest.fixture
def two_parties() -> Party:
    """Two parties of ours, each with a location and a tariff; return the second."""
    PartyFactory()
    LocationFactory(id="FIRST", tariff=TariffFactory(id="T1"))
    second: Party = PartyFactory(party_id="TWO", name="Second")
    LocationFactory(id="SECOND", party_id="TWO", tariff=TariffFactory(id="T2", party_id="TWO"))
    return second


def test_a_2_1_1_connection_is_with_the_oldest_party(two_parties: Party) -> None:
    partner = partner_of("2.1.1")

    assert (seen(partner), tariffs_seen(partner)) == (["FIRST"], ["T1"])


def test_a_2_1_1_connection_is_with_the_party_that_staff_chose(two_parties: Party) -> None:
    partner = partner_of("2.1.1", our_party=two_parties)

    assert (seen(partner), tariffs_seen(partner)) == (["SECOND"], ["T2"])
    assert visibility.our_party_of(partner) == two_parties


@pytest.mark.parametrize("version", LATER)
def test_later_versions_see_every_party(two_parties: Party, version: str) -> None:
    partner = partner_of(version, our_party=two_parties)

    assert (seen(partner), tariffs_seen(partner)) == (["FIRST", "SECOND"], ["T1", "T2"])


@pytest.mark.parametrize("status", ["INVITED", "SUSPENDED", "UNREGISTERED"])
def test_a_partner_that_is_not_registered_sees_nothing(status: str) -> None:
    SessionFactory(cdr_token=cdr_token())
    partner = partner_of("2.2.1", status=status)

    assert seen(partner) == tariffs_seen(partner) == []
    assert not visibility.sessions_for(partner, now=NOW).exists()


# Tariffs


@pytest.mark.parametrize("version", ALL)
def test_a_tariff_that_is_not_for_every_partner_is_for_those_it_is_given_to(version: str) -> None:
    partner = partner_of(version)
    TariffFactory(id="ALL")
    own: Tariff = TariffFactory(id="OWN")
    put_tariff(tariff=shape_of(own), public=False, now=NOW)
    assert tariffs_seen(partner) == ["ALL"]

    partner.tariffs.add(own)

    assert tariffs_seen(partner) == ["ALL", "OWN"]


@pytest.mark.rule("TAR-02", "TAR-04")
@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.1.1", ["NOW", "PLAIN"]),
        *((v, ["FAST", "FUTURE", "NOW", "PAST", "PLAIN"]) for v in LATER),
    ],
)
def test_a_version_without_validity_sees_what_holds_for_every_session_now(
    version: str, expected: list[str]
) -> None:
    partner = partner_of(version)
    TariffFactory(id="PLAIN", type="REGULAR")
    TariffFactory(id="FAST", type="PROFILE_FAST")
    TariffFactory(id="PAST", end_date_time=NOW)
    TariffFactory(id="FUTURE", start_date_time=NOW + timedelta(seconds=1))
    TariffFactory(id="NOW", start_date_time=NOW, end_date_time=NOW + timedelta(days=1))

    assert tariffs_seen(partner) == expected


# Sessions and CDRs


def reserved(status: str, session_status: str) -> Session:
    """Return a session that began as a reservation, as the reservation ended."""
    session: Session = SessionFactory(cdr_token=cdr_token())
    Session.objects.filter(pk=session.pk).update(
        status=session_status,
        end_date_time=NOW + timedelta(hours=1),
        last_updated=NOW + timedelta(hours=1),
    )
    Reservation.objects.create(
        owner_country_code="NL",
        owner_party_id="EMS",
        reservation_id="R1",
        session=session,
        location=session.location,
        evse=session.evse,
        status=status,
        reserved_at=NOW,
        expiry_date=NOW + timedelta(hours=1),
    )
    return session


@pytest.mark.rule("SES-03")
@pytest.mark.parametrize("version", ALL)
def test_a_partner_sees_the_sessions_of_its_own_tokens(version: str) -> None:
    partner = partner_of(version)
    own: Session = SessionFactory(cdr_token=cdr_token())
    SessionFactory(cdr_token=cdr_token(party_id="FOE"))

    assert list(visibility.sessions_for(partner, now=NOW)) == [own]


@pytest.mark.parametrize(
    ("reservation", "session", "version", "visible"),
    [
        (ReservationStatus.ACTIVE, "RESERVATION", "2.1.1", False),
        (ReservationStatus.EXPIRED, "COMPLETED", "2.1.1", False),
        (ReservationStatus.CANCELED, "INVALID", "2.1.1", False),
        (ReservationStatus.USED, "ACTIVE", "2.1.1", True),
        *(
            (reservation, session, version, True)
            for version in LATER
            for reservation, session in (
                (ReservationStatus.ACTIVE, "RESERVATION"),
                (ReservationStatus.EXPIRED, "COMPLETED"),
                (ReservationStatus.USED, "ACTIVE"),
            )
        ),
    ],
)
def test_a_reservation_that_nobody_used_is_no_session_in_2_1_1(
    reservation: str, session: str, version: str, *, visible: bool
) -> None:
    partner = partner_of(version)
    reserved(reservation, session)

    assert visibility.sessions_for(partner, now=NOW).exists() is visible


@pytest.mark.rule("CDR-04")
@pytest.mark.parametrize("version", ALL)
def test_a_partner_sees_the_cdrs_of_its_own_tokens(version: str) -> None:
    partner = partner_of(version)
    own, _foreign = billed(), billed(party_id="FOE")

    assert list(visibility.cdrs_for(partner, now=NOW)) == [own]


def billed(**token: str) -> Cdr:
    session = SessionFactory(cdr_token=cdr_token(**token))
    _session, cdr = sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)
    assert cdr is not None
    return cdr


@pytest.mark.parametrize(("version", "number"), [("2.1.1", 1), *((v, 2) for v in LATER)])
def test_a_credit_cdr_is_for_versions_that_know_it(version: str, number: int) -> None:
    partner = partner_of(version)
    cdr = billed()
    credited = Cdr.objects.get(pk=cdr.pk)
    credited.pk, credited.ocpi_id = None, f"{cdr.ocpi_id}-C"
    credited.credit, credited.credit_reference_id = True, cdr.ocpi_id
    credited.save()

    assert visibility.cdrs_for(partner, now=NOW).count() == number


@pytest.mark.parametrize(("version", "number"), [("2.1.1", 1), *((v, 2) for v in LATER)])
def test_what_replaces_a_bill_is_for_versions_that_can_take_one_back(
    version: str, number: int
) -> None:
    partner = partner_of(version)
    cdr = billed()
    other = Cdr.objects.get(pk=cdr.pk)
    other.pk, other.ocpi_id, other.replaces = None, "REPLACEMENT", cdr
    other.save()

    assert visibility.cdrs_for(partner, now=NOW).count() == number


@pytest.mark.parametrize(("version", "visible"), [("2.1.1", False), *((v, True) for v in LATER)])
def test_the_bill_of_an_unused_reservation_is_for_versions_that_know_it(
    version: str, *, visible: bool
) -> None:
    partner = partner_of(version)
    cdr = billed()
    assert cdr.session is not None
    Reservation.objects.create(
        owner_country_code="NL",
        owner_party_id="EMS",
        reservation_id="R1",
        session=cdr.session,
        location=cdr.session.location,
        status=ReservationStatus.EXPIRED,
        reserved_at=NOW,
        expiry_date=NOW + timedelta(hours=1),
    )

    assert visibility.cdrs_for(partner, now=NOW).exists() is visible


# The explanation


Twist = Callable[[Partner, Location], None]


def _version_2_1_1(partner: Partner, _location: Location) -> None:
    Partner.objects.filter(pk=partner.pk).update(version="2.1.1")


def _suspended(partner: Partner, _location: Location) -> None:
    Partner.objects.filter(pk=partner.pk).update(status=PartnerStatus.SUSPENDED)


def _unpublished(_partner: Partner, location: Location) -> None:
    Location.objects.filter(pk=location.pk).update(
        publish=False, last_updated=location.last_updated + timedelta(milliseconds=1)
    )


def _for_tokens(_partner: Partner, location: Location) -> None:
    Location.objects.filter(pk=location.pk).update(
        publish=False,
        publish_allowed_to=[{"uid": "04AA"}],
        last_updated=location.last_updated + timedelta(milliseconds=2),
    )


def _grouped(partner: Partner, _location: Location) -> None:
    Partner.objects.filter(pk=partner.pk).update(all_locations=False)


def _in_group(partner: Partner, location: Location) -> None:
    group = LocationGroup.objects.create(name="Fleet")
    group.locations.add(location)
    partner.location_groups.add(group)


def _of_another_party(partner: Partner, _location: Location) -> None:
    other = PartyFactory(party_id="TWO", name="Second")
    Partner.objects.filter(pk=partner.pk).update(our_party=other)


def _removed_long_ago(_partner: Partner, location: Location) -> None:
    for row in location.evses.all():
        set_evse_status(evse_id=row.pk, status="REMOVED", now=NOW - timedelta(days=60))


def _quarantined(partner: Partner, location: Location) -> None:
    partner.refresh_from_db()
    location.refresh_from_db()
    rendering = VERSIONS[partner.version].rendering(Audience(NOW))
    Quarantined.objects.create(
        module="locations",
        object_id=location.pk,
        version=rendering,
        last_updated=location.last_updated,
        problems=["address: is missing"],
        found_at=NOW,
    )


TWISTS: tuple[Twist, ...] = (
    _version_2_1_1,
    _suspended,
    _unpublished,
    _for_tokens,
    _grouped,
    _in_group,
    _of_another_party,
    _removed_long_ago,
)


def test_the_explanation_never_disagrees_with_the_door() -> None:
    """Every combination of what can be in the way: 256 partners and locations."""
    base = make_partner().partner
    location: Location = LocationFactory(
        id="SITE", evses=[evse("E1")], now=NOW - timedelta(days=90)
    )
    answers = set()
    for chosen in product([False, True], repeat=len(TWISTS)):
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before")
        for twist, applies in zip(TWISTS, chosen, strict=True):
            if applies:
                twist(base, Location.objects.get(pk=location.pk))
        partner = Partner.objects.get(pk=base.pk)
        fresh = Location.objects.get(pk=location.pk)

        door = visibility.locations_for(partner, now=NOW).filter(pk=fresh.pk).exists()
        reasons = visibility.explain_door(partner, fresh, now=NOW)
        everything = explaining.explain_location(partner, fresh, now=NOW)
        table = visibility.partners_that_see([partner], fresh, now=NOW)

        assert all(reason.ok for reason in reasons) is door, chosen
        assert explaining.sees(everything) is door, chosen
        assert (partner.pk in table) is door, chosen
        answers.add(door)
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT before")
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("twist", "broken"),
    [
        (_suspended, "registered"),
        (_unpublished, "publish"),
        (_grouped, "groups"),
        (_quarantined, "rendering"),
    ],
)
def test_the_explanation_names_what_is_in_the_way(twist: Twist, broken: str) -> None:
    partner = partner_of("2.2.1")
    location: Location = LocationFactory(id="SITE")
    twist(partner, location)
    partner, location = Partner.objects.get(pk=partner.pk), Location.objects.get(pk=location.pk)

    reasons = explaining.explain_location(partner, location, now=NOW)

    assert [reason.name for reason in reasons if reason.decides and not reason.ok] == [broken]


def test_a_partner_that_only_pulls_sees_it_and_the_steps_say_that_nothing_is_sent() -> None:
    partner = partner_of("2.2.1", dialect={"push_off": ["locations"]})
    location: Location = LocationFactory(id="SITE")

    reasons = explaining.explain_location(partner, location, now=NOW)

    assert explaining.sees(reasons)
    broken = [reason.name for reason in reasons if not reason.ok]
    assert broken == ["push", "endpoint", "delivery"]


def test_what_is_held_back_is_not_seen_in_the_table_either() -> None:
    partner = partner_of("2.2.1")
    location: Location = LocationFactory(id="SITE")
    _quarantined(partner, location)
    location.refresh_from_db()
    rows = list(Partner.objects.prefetch_related("tariffs"))

    assert explaining.who_sees(rows, location, now=NOW) == frozenset()


def test_the_table_of_all_partners_costs_two_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        made = make_partner(f"Partner {number}", f"EM{number}").partner
        Partner.objects.filter(pk=made.pk).update(version=ALL[number % 3])
    location: Location = LocationFactory(id="SITE")
    rows = list(Partner.objects.prefetch_related("tariffs"))

    with django_assert_num_queries(2):
        seeing = explaining.who_sees(rows, location, now=NOW)

    assert len(seeing) == 5
