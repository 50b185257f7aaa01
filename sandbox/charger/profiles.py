"""Charging profiles: what limits the power of an outlet, and until when. Pure.

OCPP 1.6, 3.13 and 5.16; OCPP 2.0.1, K01. Limits are W; amperes count 230 V on each phase.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sandbox.charger.wire import Json

VOLTS = Decimal(230)
_CYCLES = {"Daily": timedelta(days=1), "Weekly": timedelta(days=7)}
# The names of 2.0.1; those of 1.6 differ in one.
MAX, TX_DEFAULT, TX = "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"
_PURPOSES = {"ChargePointMaxProfile": MAX}


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile, of the outlet with that number; 0 is the station.

    `periods` are pairs of a start in seconds and a limit with its number of phases.
    """

    id: int
    outlet: int
    stack_level: int
    purpose: str
    kind: str
    recurrency: str
    valid_from: datetime | None
    valid_to: datetime | None
    transaction_id: str
    starts_at: datetime | None
    duration: int | None
    unit: str
    periods: tuple[tuple[int, Decimal, int | None], ...]

    def limit_w(self, at: datetime, began: datetime, phases: int) -> Decimal | None:
        """Return the limit at a moment of a transaction that began then; None: there is none."""
        offset = self._offset(at, began)
        if offset is None:
            return None
        current = [period for period in self.periods if period[0] <= offset]
        if not current:
            return None
        _, limit, of_period = current[-1]
        return limit if self.unit == "W" else limit * VOLTS * (of_period or phases)

    def changes(self, at: datetime, began: datetime) -> Iterator[datetime]:
        """Yield the moments after `at` at which the limit may be another."""
        start = self._start(at, began)
        moments = [start + timedelta(seconds=period[0]) for period in self.periods]
        if self.duration is not None:
            moments.append(start + timedelta(seconds=self.duration))
        if self.kind == "Recurring":
            moments.append(start + _CYCLES.get(self.recurrency, _CYCLES["Daily"]))
        moments += [moment for moment in (self.valid_from, self.valid_to) if moment]
        yield from (moment for moment in moments if moment > at)

    def _start(self, at: datetime, began: datetime) -> datetime:
        if self.kind == "Relative" or self.starts_at is None:
            return began
        if self.kind == "Recurring":
            cycle = _CYCLES.get(self.recurrency, _CYCLES["Daily"])
            return self.starts_at + (at - self.starts_at) // cycle * cycle
        return self.starts_at

    def _offset(self, at: datetime, began: datetime) -> float | None:
        if (self.valid_from and at < self.valid_from) or (self.valid_to and at >= self.valid_to):
            return None
        seconds = (at - self._start(at, began)).total_seconds()
        if seconds < 0 or (self.duration is not None and seconds >= self.duration):
            return None
        return seconds


def parse(body: Json, *, outlet: int) -> Profile:
    """Read a ChargingProfile of either version.

    Raises:
        KeyError, TypeError, ValueError: it is none.

    """
    schedule = body["chargingSchedule"]
    # 2.0.1 may have up to three, of which those after the first are for cars of ISO 15118.
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    purpose = str(body["chargingProfilePurpose"])
    if schedule["chargingRateUnit"] not in {"A", "W"}:
        raise ValueError("chargingRateUnit: must be A or W")
    return Profile(
        id=int(body["chargingProfileId"] if "chargingProfileId" in body else body["id"]),
        outlet=outlet,
        stack_level=int(body["stackLevel"]),
        purpose=_PURPOSES.get(purpose, purpose),
        kind=body["chargingProfileKind"],
        recurrency=body.get("recurrencyKind", ""),
        valid_from=_moment(body.get("validFrom")),
        valid_to=_moment(body.get("validTo")),
        transaction_id=str(body.get("transactionId", "")),
        starts_at=_moment(schedule.get("startSchedule")),
        duration=schedule.get("duration"),
        unit=schedule["chargingRateUnit"],
        periods=tuple(
            (int(period["startPeriod"]), Decimal(str(period["limit"])), period.get("numberPhases"))
            for period in schedule["chargingSchedulePeriod"]
        ),
    )


def purpose_of(name: str | None) -> str | None:
    """Return the purpose as 2.0.1 names it."""
    return None if name is None else _PURPOSES.get(name, name)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Profiles:
    """The profiles that a station has been given."""

    def __init__(self) -> None:
        self._profiles: list[Profile] = []

    def add(self, profile: Profile) -> None:
        """Keep a profile, instead of the one with its id, or with its place and level."""
        place = (profile.outlet, profile.purpose, profile.stack_level)
        self._profiles = [
            one
            for one in self._profiles
            if one.id != profile.id and (one.outlet, one.purpose, one.stack_level) != place
        ]
        self._profiles.append(profile)

    def clear(
        self,
        *,
        profile_id: int | None = None,
        outlet: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> bool:
        """Drop what fits everything that is given; return whether there was any."""

        def fits(one: Profile) -> bool:
            if profile_id is not None:
                return one.id == profile_id
            return (
                outlet in {None, one.outlet}
                and purpose in {None, one.purpose}
                and stack_level in {None, one.stack_level}
            )

        before = len(self._profiles)
        self._profiles = [one for one in self._profiles if not fits(one)]
        return len(self._profiles) < before

    def end_transaction(self, outlet: int) -> None:
        """Drop what was for the transaction that ended there."""
        self.clear(outlet=outlet, purpose=TX)

    def limit_w(
        self, outlet: int, at: datetime, began: datetime, phases: int
    ) -> tuple[Decimal | None, datetime | None]:
        """Return the limit of an outlet, and when to look again; None each: there is none."""
        limits = []
        for group in self._groups(outlet):
            found = (one.limit_w(at, began, phases) for one in group)
            limits += [limit for limit in found if limit is not None][:1]
        changes = (
            moment
            for group in self._groups(outlet)
            for one in group
            for moment in one.changes(at, began)
        )
        return min(limits, default=None), min(changes, default=None)

    def composite(
        self,
        outlet: int,
        at: datetime,
        *,
        began: datetime,
        phases: int,
        seconds: int,
        most_w: Decimal,
    ) -> list[tuple[int, Decimal]]:
        """Return the limits of the coming seconds: pairs of start and W (1.6, 5.7; 2.0.1, K08)."""
        end = at + timedelta(seconds=seconds)
        periods: list[tuple[int, Decimal]] = []
        moment: datetime | None = at
        while moment is not None and moment < end and len(periods) < 100:
            limit, next_moment = self.limit_w(outlet, moment, began, phases)
            watts = most_w if limit is None else min(limit, most_w)
            if not periods or periods[-1][1] != watts:
                periods.append((int((moment - at).total_seconds()), watts))
            moment = next_moment
        return periods

    def _groups(self, outlet: int) -> Iterable[list[Profile]]:
        """Yield what limits independently: the station, and the transaction or its default.

        The highest level counts first; the transaction's own goes before the default, and that of
        the outlet before that of the station.
        """

        def order(one: Profile) -> tuple[bool, bool, int]:
            return one.purpose != TX, one.outlet == 0, -one.stack_level

        mine = [one for one in self._profiles if one.outlet in {0, outlet}]
        for purposes in ({MAX, "ChargingStationExternalConstraints"}, {TX, TX_DEFAULT}):
            yield sorted((one for one in mine if one.purpose in purposes), key=order)
