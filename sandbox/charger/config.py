"""The settings of simulated chargers, and the file that lists them."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

VERSIONS = ("1.6", "2.0.1")

T = TypeVar("T")


class BadConfig(ValueError):
    """The settings of a fleet are none; the text names the field and the rule."""


@dataclass(frozen=True, kw_only=True)
class OutletConfig:
    """One connector: `evse` and `connector` as 2.0.1 counts them; `meter_wh` is where it starts."""

    evse: int = 1
    connector: int = 1
    max_kw: Decimal = Decimal(22)
    current: str = "AC"
    phases: int = 3
    meter_wh: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no outlet is, with a ValueError."""
        if self.current not in {"AC", "DC"}:
            raise ValueError(f"current: must be AC or DC, not {self.current!r}")
        if self.max_kw <= 0:
            raise ValueError(f"max_kw: must be above 0, not {self.max_kw}")
        if self.phases not in {1, 2, 3}:
            raise ValueError(f"phases: must be 1, 2 or 3, not {self.phases}")


@dataclass(frozen=True, kw_only=True)
class StationConfig:
    """One charger. All times are seconds.

    `time_factor` makes cars charge that many times faster than real; stamps stay real, but for
    `clock_skew`, by which its clock is ahead. After a remote start somebody plugs in `plug_after`
    later (None: nobody comes) and, when all is done, leaves `leave_after` later (None: stays).
    `reconnect_seconds` is the first pause before it connects again, doubled up to a minute.
    `restart_seconds` is how long a reset takes. `tx_start` is the TxStartPoint of 2.0.1:
    PowerPathClosed or EVConnected.
    """

    identity: str
    password: str = ""
    ocpp: str = "1.6"
    vendor: str = "Sandbox"
    model: str = "Simulated"
    firmware: str = "1.0.0"
    signs: bool = False
    breaks_signature: bool = False
    outlets: tuple[OutletConfig, ...] = (OutletConfig(),)
    meter_seconds: float = 60.0
    time_factor: float = 1.0
    clock_skew: float = 0.0
    plug_after: float | None = 2.0
    leave_after: float | None = 2.0
    reconnect_seconds: float = 1.0
    restart_seconds: float = 1.0
    call_timeout: float = 30.0
    retry_seconds: float = 5.0
    firmware_seconds: float = 2.0
    tx_start: str = "PowerPathClosed"

    def __post_init__(self) -> None:
        """Refuse what no station is, with a ValueError."""
        if not self.identity or "/" in self.identity:
            raise ValueError(f"identity: must be text without a slash, not {self.identity!r}")
        if self.ocpp not in VERSIONS:
            raise ValueError(f"ocpp: must be {' or '.join(VERSIONS)}, not {self.ocpp!r}")
        if self.tx_start not in {"PowerPathClosed", "EVConnected"}:
            raise ValueError(f"tx_start: {self.tx_start!r} is not simulated")
        if not self.outlets:
            raise ValueError("outlets: must have one at least")
        places = {(outlet.evse, outlet.connector) for outlet in self.outlets}
        if len(places) < len(self.outlets):
            raise ValueError("outlets: two have the same evse and connector")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A fleet: its chargers, and about how many cars with which cards visit them."""

    stations: tuple[StationConfig, ...]
    cards: tuple[str, ...] = ("SIM-CARD-1",)
    drivers: int = 0
    faults: bool = False
    seed: int = 1
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse two chargers of one name, with a ValueError."""
        names = [station.identity for station in self.stations]
        twice = {name for name in names if names.count(name) > 1} if len(names) < 100 else set()
        if twice or len(set(names)) < len(names):
            raise ValueError(f"stations: identities must be unique: {', '.join(sorted(twice))}")


def read(document: Any) -> Config:
    """Read a fleet: `{"stations": [...], "cards": [...], "drivers": 3, "defaults": {...}}`.

    `defaults` holds what goes for every station that says nothing else.

    Raises:
        BadConfig: a field is unknown, missing or of another kind; the text names it.

    """
    if not isinstance(document, Mapping):
        raise BadConfig("the document: must be an object")
    defaults = document.get("defaults", {})
    stations = document.get("stations")
    if not isinstance(stations, list) or not isinstance(defaults, Mapping):
        raise BadConfig("stations: must be a list, and defaults an object")
    read_stations = tuple(
        _station(body, defaults, f"stations[{index}]") for index, body in enumerate(stations)
    )
    return _record(Config, {**document, "stations": read_stations}, "")


def _station(body: Any, defaults: Mapping[str, Any], where: str) -> StationConfig:
    if not isinstance(body, Mapping):
        raise BadConfig(f"{where}: must be an object")
    merged = {**defaults, **body}
    if "outlets" in merged:
        outlets = merged["outlets"]
        if not isinstance(outlets, list):
            raise BadConfig(f"{where}.outlets: must be a list")
        merged["outlets"] = tuple(
            _outlet(outlet, index, f"{where}.outlets[{index}].")
            for index, outlet in enumerate(outlets)
        )
    return _record(StationConfig, merged, f"{where}.")


def _outlet(body: Any, index: int, where: str) -> OutletConfig:
    # Each is an EVSE of its own, unless it says otherwise.
    numbered = {"evse": index + 1, **body} if isinstance(body, Mapping) else body
    return _record(OutletConfig, numbered, where)


def _record(kind: type[T], body: Any, where: str) -> T:
    if not isinstance(body, Mapping):
        raise BadConfig(f"{where.rstrip('.')}: must be an object")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(body) - set(hints))
    if unknown:
        raise BadConfig(f"{where}{unknown[0]}: is no field that is known")
    for entry in fields(kind):  # type: ignore[arg-type]  # every kind here is a dataclass
        required = entry.default is MISSING and entry.default_factory is MISSING
        if required and entry.name not in body:
            raise BadConfig(f"{where}{entry.name}: is required")
    values = {name: _value(value, hints[name], f"{where}{name}") for name, value in body.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise BadConfig(f"{where}{error}") from None


def _value(value: Any, hint: Any, where: str) -> Any:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(one for one in hint.__args__ if one is not type(None))
    kind = typing.get_origin(hint) or hint
    if kind is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if kind is Decimal and is_number:
        return _decimal(value, where)
    if kind is float and is_number:
        return float(value)
    # True is an int to Python, and none here.
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise BadConfig(f"{where}: must be {kind.__name__}, not {value!r:.40}")


def _decimal(value: float | Decimal, where: str) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise BadConfig(f"{where}: must be a number") from error
