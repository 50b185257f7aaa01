"""Charging preferences: what is supported, what a token wants by default, and what it costs."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from cpo_platform.common.shapes import ChargingPreferences
from locations.models import Connector
from sessions_app.corrections import Correction
from sessions_app.metering import Reading
from sessions_app.models import Cdr, Session
from sessions_app.operations import sessions
from sessions_app.operations.preferences import (
    MOST_SWITCHES,
    NotCapable,
    PreferencesResult,
    default_preferences,
    set_charging_preferences,
    supports,
)
from sessions_app.operations.rebilling import preview_rebilling
from tests.factories import (
    NOW,
    LocationFactory,
    SessionFactory,
    TariffFactory,
    TokenFactory,
    cdr_token,
    price,
)
from tests.factories import connector as connector_of
from tests.factories import evse as evse_of

pytestmark = pytest.mark.django_db

FAST = ChargingPreferences(profile_type="FAST")


@pytest.fixture
def connector() -> Connector:
    return a_connector()


def a_connector(*, capable: bool = True) -> Connector:
    """Return a connector that sells REGULAR at 0.40 and FAST at 0.70 per kWh."""
    for tariff_id, kind, amount in (
        ("T-REGULAR", "REGULAR", "0.40"),
        ("T-FAST", "PROFILE_FAST", "0.70"),
    ):
        components = [{"price_components": [price("ENERGY", amount, vat=None)]}]
        TariffFactory(id=tariff_id, type=kind, elements=components)
    capabilities = ["CHARGING_PREFERENCES_CAPABLE"] if capable else ["RFID_READER"]
    site = LocationFactory(
        evses=[
            evse_of("E1", capabilities=capabilities)
            | {"connectors": [connector_of(tariff_ids=["T-REGULAR", "T-FAST"])]}
        ]
    )
    return Connector.objects.select_related("evse").get(evse__location=site)


def charge(session: Session, *, kwh: str, until: datetime) -> Cdr:
    reading = Reading(until, session.meter_start + Decimal(kwh))
    _session, cdr = sessions.stop_session(
        session_id=session.pk, ended_at=until, now=until, readings=[reading]
    )
    assert cdr is not None
    return cdr


@pytest.mark.rule("SES-19")
def test_a_profile_type_is_supported_where_a_tariff_for_it_is_sold(connector: Connector) -> None:
    supported = {kind: supports(connector, kind, NOW) for kind in ("REGULAR", "FAST", "GREEN")}

    assert supported == {"REGULAR": True, "FAST": True, "GREEN": False}


@pytest.mark.rule("SES-19")
def test_a_tariff_that_is_not_valid_now_supports_nothing() -> None:
    connector = a_connector()
    TariffFactory(
        id="T-FAST",
        type="PROFILE_FAST",
        end_date_time="2026-06-01T09:00:00Z",
        now=NOW + timedelta(minutes=1),
    )

    assert supports(connector, "FAST", NOW + timedelta(minutes=59))
    assert not supports(connector, "FAST", NOW + timedelta(minutes=60))


@pytest.mark.rule("SES-19")
def test_a_token_that_wants_it_by_default_charges_by_that_tariff_without_a_put(
    connector: Connector,
) -> None:
    TokenFactory(uid="FASTCARD", default_profile_type="FAST")

    session = SessionFactory(connector=connector, cdr_token=cdr_token("FASTCARD"))
    cdr = charge(session, kwh="10", until=NOW + timedelta(hours=1))

    assert session.charging_preferences == {"profile_type": "FAST", "discharge_allowed": False}
    assert cdr.total_cost_before_taxes == 7
    assert {period["tariff_id"] for period in cdr.charging_periods} == {"T-FAST"}
    assert [tariff["id"] for tariff in cdr.tariffs] == ["T-FAST"]


@pytest.mark.rule("SES-19")
@pytest.mark.parametrize(
    ("default", "station"),
    [("GREEN", "capable"), ("FAST", "not capable"), ("REGULAR", "capable"), (None, "capable")],
)
def test_otherwise_the_ordinary_tariff_holds(default: str | None, station: str) -> None:
    connector = a_connector(capable=station == "capable")
    TokenFactory(uid="CARD", default_profile_type=default)

    session = SessionFactory(connector=connector, cdr_token=cdr_token("CARD"))

    assert session.tariff is not None
    assert session.tariff.ocpi_id == "T-REGULAR"
    assert (session.charging_preferences is None) == (default != "REGULAR")


def test_a_token_of_another_emsp_with_the_same_uid_does_not_decide(connector: Connector) -> None:
    TokenFactory(uid="CARD", party_id="FOE", default_profile_type="FAST")

    assert default_preferences(connector, cdr_token("CARD"), NOW) is None


@pytest.mark.rule("SES-19", "CDR-09", "CDR-10")
def test_a_wish_during_the_session_switches_its_tariff(connector: Connector) -> None:
    session = SessionFactory(connector=connector)

    answer = set_charging_preferences(
        session_id=session.pk, preferences=FAST, now=NOW + timedelta(minutes=30)
    )
    cdr = charge(session, kwh="10", until=NOW + timedelta(hours=1))

    assert answer is PreferencesResult.ACCEPTED
    assert Session.objects.get().charging_preferences is not None
    # 5 kWh at 0.40 and 5 kWh at 0.70.
    assert cdr.total_cost_before_taxes == Decimal("5.5")
    assert [tariff["id"] for tariff in cdr.tariffs] == ["T-REGULAR", "T-FAST"]
    assert [(p["start_date_time"], p["tariff_id"]) for p in cdr.charging_periods] == [
        ("2026-06-01T08:00:00Z", "T-REGULAR"),
        ("2026-06-01T08:30:00Z", "T-FAST"),
    ]
    assert [line["tariff_id"] for line in cdr.price_lines] == ["T-REGULAR", "T-FAST"]


@pytest.mark.rule("SES-19")
def test_whoever_goes_back_pays_the_price_that_was_agreed_to(connector: Connector) -> None:
    session = SessionFactory(connector=connector)
    TariffFactory(
        id="T-REGULAR",
        type="REGULAR",
        elements=[{"price_components": [price("ENERGY", "9", vat=None)]}],
        now=NOW + timedelta(minutes=1),
    )
    regular = ChargingPreferences(profile_type="REGULAR")
    for minutes, wish in ((15, FAST), (45, regular)):
        set_charging_preferences(
            session_id=session.pk, preferences=wish, now=NOW + timedelta(minutes=minutes)
        )

    cdr = charge(session, kwh="10", until=NOW + timedelta(hours=1))

    # Half of the hour at each; two tariffs, although there are three periods.
    assert cdr.total_cost_before_taxes == Decimal("5.5")
    assert len(cdr.charging_periods) == 3
    assert [tariff["id"] for tariff in cdr.tariffs] == ["T-REGULAR", "T-FAST"]


@pytest.mark.rule("SES-19")
def test_the_same_wish_with_another_departure_keeps_its_price(connector: Connector) -> None:
    session = SessionFactory(connector=connector)
    set_charging_preferences(
        session_id=session.pk, preferences=FAST, now=NOW + timedelta(minutes=30)
    )
    TariffFactory(
        id="T-FAST",
        type="PROFILE_FAST",
        elements=[{"price_components": [price("ENERGY", "9", vat=None)]}],
        now=NOW + timedelta(minutes=31),
    )
    later = ChargingPreferences(
        profile_type="FAST", departure_time=NOW + timedelta(hours=9), energy_need=Decimal(5)
    )
    set_charging_preferences(
        session_id=session.pk, preferences=later, now=NOW + timedelta(minutes=40)
    )

    cdr = charge(session, kwh="10", until=NOW + timedelta(hours=1))

    assert cdr.total_cost_before_taxes == Decimal("5.5")


def test_a_correction_leaves_out_tariffs_that_its_time_has_nothing_of(
    connector: Connector,
) -> None:
    session = SessionFactory(connector=connector)
    set_charging_preferences(
        session_id=session.pk, preferences=FAST, now=NOW + timedelta(minutes=30)
    )
    cdr = charge(session, kwh="10", until=NOW + timedelta(hours=1))

    def tariffs_between(start: int, end: int) -> list[str]:
        times = Correction(start=NOW + timedelta(minutes=start), end=NOW + timedelta(minutes=end))
        drafts = preview_rebilling(cdr_id=cdr.pk, correction=times, now=NOW + timedelta(hours=2))
        return [tariff["id"] for tariff in drafts.replacement.tariffs]

    assert tariffs_between(0, 20) == ["T-REGULAR"]
    assert tariffs_between(40, 60) == ["T-FAST"]


def test_a_mind_that_changes_all_the_time_is_told_no(connector: Connector) -> None:
    session = SessionFactory(connector=connector)
    regular = ChargingPreferences(profile_type="REGULAR")

    answers = [
        set_charging_preferences(
            session_id=session.pk,
            preferences=FAST if minutes % 2 else regular,
            now=NOW + timedelta(minutes=minutes),
        )
        for minutes in range(1, MOST_SWITCHES + 3)
    ]

    assert answers[-1] is PreferencesResult.NOT_POSSIBLE
    assert len(Session.objects.get().tariff_switches) == MOST_SWITCHES


def test_the_same_wish_twice_changes_nothing(connector: Connector) -> None:
    session = SessionFactory(connector=connector)
    for minutes in (1, 2):
        set_charging_preferences(
            session_id=session.pk, preferences=FAST, now=NOW + timedelta(minutes=minutes)
        )

    session.refresh_from_db()
    assert session.last_updated == NOW + timedelta(minutes=1)


@pytest.mark.rule("SES-18")
def test_an_evse_that_knows_no_preferences_refuses_them() -> None:
    session = SessionFactory(connector=a_connector(capable=False))

    with pytest.raises(NotCapable):
        set_charging_preferences(session_id=session.pk, preferences=FAST, now=NOW)
    session.refresh_from_db()
    assert session.charging_preferences is None
