"""What drivers want of their sessions: cheap, fast or green (OCPI 2.2.1, ChargingPreferences).

A profile type is supported at a connector that sells it: with a tariff of type `PROFILE_<type>`.
`REGULAR` is no wish at all, and supported everywhere.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db import transaction

from cpo_platform.common.clock import truncate
from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import CdrToken, ChargingPreferences, plain
from locations.models import Capability, Connector, Evse
from sessions_app.models import Session, SessionStatus, Token
from sessions_app.operations.freezing import frozen_tariff, tariff_for
from sessions_app.own_tariffs import for_token
from tariffs.models import ORDINARY_TYPES, valid_at

REGULAR = "REGULAR"
# Charging later, when it is cheap or green, takes the time until the driver leaves, and knowing
# how much may be left for then.
DEFERRING = frozenset(["CHEAP", "GREEN"])
# A partner that changes its mind all the time must not fill a session with tariffs.
MOST_SWITCHES = 20


class PreferencesResult(StrEnum):
    """OCPI 2.2.1, mod_sessions, ChargingPreferencesResponse (closed)."""

    ACCEPTED = "ACCEPTED"
    DEPARTURE_REQUIRED = "DEPARTURE_REQUIRED"
    ENERGY_NEED_REQUIRED = "ENERGY_NEED_REQUIRED"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    PROFILE_TYPE_NOT_SUPPORTED = "PROFILE_TYPE_NOT_SUPPORTED"


class NotCapable(ValueError):
    """The EVSE of the session knows no charging preferences."""


def set_charging_preferences(
    *, session_id: int, preferences: ChargingPreferences, now: datetime
) -> PreferencesResult:
    """Keep what the driver wants of an active session, where the EVSE can try to do it.

    Where the connector sells that at another tariff, the session is priced by it from now on
    (OCPI 2.2.1, mod_sessions, Set Charging Preferences; docs/adr/0009).

    Raises:
        NotCapable: the EVSE lacks CHARGING_PREFERENCES_CAPABLE.

    """
    with transaction.atomic():
        session = (
            Session.objects.select_for_update(of=("self",))
            .select_related("connector__evse")
            .get(pk=session_id)
        )
        connector = session.connector
        if connector is None or not _is_capable(connector.evse):
            raise NotCapable(f"session {session.ocpi_id}: the EVSE knows no charging preferences")
        refusal = _refusal(session, connector, preferences, now)
        if refusal is not None:
            return refusal
        wanted = plain(ChargingPreferences, preferences)
        if session.charging_preferences != wanted:
            session.charging_preferences = wanted
            _switch_tariff(session, connector, preferences, now)
            # Partners read neither in the session: it is announced with the next meter values.
            session.touch(now)
            session.save(update_fields=["charging_preferences", "tariff_switches", "last_updated"])
    return PreferencesResult.ACCEPTED


def _switch_tariff(
    session: Session, connector: Connector, preferences: ChargingPreferences, now: datetime
) -> None:
    """Price the rest of the session by the tariff of a preference, if that is another one."""
    switches = session.tariff_switches
    held = switches[-1]["tariff"] if switches else session.frozen_tariff
    types = tariff_types(preferences)
    wanted = types if types == ORDINARY_TYPES else types[:1]
    # The same wish again, with another departure: the price stays as it was agreed to.
    if held is not None and held.get("type", "") in wanted:
        return
    chosen = _had(session, wanted) or _sold(session, connector, types, now)
    if chosen is None or (held is not None and held["id"] == chosen["tariff"]["id"]):
        return
    at = format_datetime(max(truncate(now), session.start_date_time))
    kept = [switch for switch in switches if switch["at"] != at]
    session.tariff_switches = [*kept, {"at": at, **chosen}]


def _sold(
    session: Session, connector: Connector, types: tuple[str, ...], now: datetime
) -> dict[str, Any] | None:
    """Return the tariff that the connector sells, as it is now, in the session's currency."""
    tariff = tariff_for(connector, session.cdr_token, now, types)
    if tariff is None or tariff.currency != session.currency:
        return None
    had = {document["id"]: document for document in session.tariffs}
    return {"row": tariff.pk, "tariff": had.get(tariff.ocpi_id) or frozen_tariff(tariff)}


def _had(session: Session, types: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the first tariff of these types that the session had, with the number of its row."""
    had = [{"row": session.tariff_id, "tariff": session.frozen_tariff}, *session.tariff_switches]
    for item in had:
        if item["tariff"] is not None and item["tariff"].get("type", "") in types:
            return {"row": item["row"], "tariff": item["tariff"]}
    return None


def default_preferences(
    connector: Connector, token: CdrToken, now: datetime
) -> ChargingPreferences | None:
    """Return what a token wants of every session, where this connector supports it.

    A step of `sessions.start_session` (OCPI 2.2.1, mod_tokens, Token.default_profile_type: no PUT
    is needed then).
    """
    if not _is_capable(connector.evse):
        return None
    wanted = (
        Token.objects.filter(
            country_code=token.country_code,
            party_id=token.party_id,
            uid=token.uid,
            type=token.type,
        )
        .values_list("default_profile_type", flat=True)
        .first()
    )
    if not wanted or not supports(connector, wanted, now, token):
        return None
    return ChargingPreferences(profile_type=wanted)


def supports(
    connector: Connector, profile_type: str, now: datetime, token: CdrToken | None = None
) -> bool:
    """Tell whether a profile type can be chosen at a connector: whether it has a tariff for it.

    One that everybody has, or that the token's eMSP has for its own.
    """
    if profile_type == REGULAR:
        return True
    tariffs = connector.tariffs.in_use().filter(valid_at(now), type=f"PROFILE_{profile_type}")
    return bool(for_token(list(tariffs), token))


def tariff_types(preferences: ChargingPreferences | None) -> tuple[str, ...]:
    """Return the types of tariff that a session may be priced by, the best first."""
    if preferences is None or preferences.profile_type == REGULAR:
        return ORDINARY_TYPES
    return (f"PROFILE_{preferences.profile_type}", *ORDINARY_TYPES)


def _is_capable(evse: Evse) -> bool:
    return Capability.CHARGING_PREFERENCES_CAPABLE in evse.capabilities


def _refusal(
    session: Session, connector: Connector, wanted: ChargingPreferences, now: datetime
) -> PreferencesResult | None:
    if session.status != SessionStatus.ACTIVE:
        return PreferencesResult.NOT_POSSIBLE
    if not supports(connector, wanted.profile_type, now, session.cdr_token):
        return PreferencesResult.PROFILE_TYPE_NOT_SUPPORTED
    if len(session.tariff_switches) >= MOST_SWITCHES:
        return PreferencesResult.NOT_POSSIBLE
    if wanted.profile_type in DEFERRING and wanted.departure_time is None:
        return PreferencesResult.DEPARTURE_REQUIRED
    if wanted.profile_type in DEFERRING and wanted.energy_need is None:
        return PreferencesResult.ENERGY_NEED_REQUIRED
    return None if _can_be_done(connector, wanted, now) else PreferencesResult.NOT_POSSIBLE


def _can_be_done(connector: Connector, wanted: ChargingPreferences, now: datetime) -> bool:
    if wanted.departure_time is None:
        return True
    hours = Decimal((wanted.departure_time - now).total_seconds()) / 3600
    return hours > 0 and (wanted.energy_need or 0) <= connector.power_kw * hours
