"""What can be configured: the keys of 1.6 and the variables of 2.0.1, as one table.

OCPP 1.6, 9; OCPP 2.0.1, part 2, appendix 3.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.charger.config import StationConfig

_MEASURANDS = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,SoC"
_LONGEST_VALUE = 500


@dataclass(frozen=True, slots=True)
class Variable:
    """One thing: `key` is its name in 1.6, `component` and `name` are those in 2.0.1.

    "" where a version lacks it. `kind` is integer, boolean, string, MemberList or secret, which can
    be written only.
    """

    key: str
    component: str
    name: str
    kind: str
    value: str
    is_writable: bool = True
    needs_reboot: bool = False
    instance: str = ""


def _variables(config: StationConfig, public_key: str) -> Iterator[Variable]:
    count = len(config.outlets)
    comm, tx, auth = "OCPPCommCtrlr", "TxCtrlr", "AuthCtrlr"
    sampled, local, smart = "SampledDataCtrlr", "LocalAuthListCtrlr", "SmartChargingCtrlr"
    yield Variable("HeartbeatInterval", comm, "HeartbeatInterval", "integer", "300")
    yield Variable("WebSocketPingInterval", comm, "WebSocketPingInterval", "integer", "60")
    yield Variable("ConnectionTimeOut", tx, "EVConnectionTimeOut", "integer", "60")
    yield Variable(
        "MeterValueSampleInterval",
        sampled,
        "TxUpdatedInterval",
        "integer",
        str(round(config.meter_seconds)),
    )
    yield Variable(
        "MeterValuesSampledData", sampled, "TxUpdatedMeasurands", "MemberList", _MEASURANDS
    )
    yield Variable("ClockAlignedDataInterval", "AlignedDataCtrlr", "Interval", "integer", "0")
    yield Variable("AuthorizeRemoteTxRequests", auth, "AuthorizeRemoteStart", "boolean", "false")
    yield Variable("LocalAuthorizeOffline", auth, "LocalAuthorizeOffline", "boolean", "true")
    yield Variable("LocalPreAuthorize", auth, "LocalPreAuthorize", "boolean", "false")
    yield Variable(
        "AllowOfflineTxForUnknownId", auth, "OfflineTxForUnknownIdEnabled", "boolean", "true"
    )
    yield Variable("AuthorizationCacheEnabled", "AuthCacheCtrlr", "Enabled", "boolean", "true")
    yield Variable("StopTransactionOnInvalidId", tx, "StopTxOnInvalidId", "boolean", "true")
    yield Variable(
        "StopTransactionOnEVSideDisconnect",
        tx,
        "StopTxOnEVSideDisconnect",
        "boolean",
        "true",
        is_writable=False,
    )
    yield Variable("LocalAuthListEnabled", local, "Enabled", "boolean", "true")
    yield Variable("LocalAuthListMaxLength", local, "Entries", "integer", "500", is_writable=False)
    yield Variable("SendLocalListMaxLength", "", "", "integer", "100", is_writable=False)
    yield Variable(
        "TransactionMessageAttempts",
        comm,
        "MessageAttempts",
        "integer",
        "3",
        instance="TransactionEvent",
    )
    yield Variable("NumberOfConnectors", "", "", "integer", str(count), is_writable=False)
    yield Variable("GetConfigurationMaxKeys", "", "", "integer", "100", is_writable=False)
    yield Variable("ChargeProfileMaxStackLevel", "", "", "integer", "10", is_writable=False)
    yield Variable("", smart, "ProfileStackLevel", "integer", "10", is_writable=False)
    yield Variable(
        "ChargingScheduleAllowedChargingRateUnit",
        smart,
        "RateUnit",
        "MemberList",
        "Current,Power",
        is_writable=False,
    )
    yield Variable(
        "ChargingScheduleMaxPeriods",
        smart,
        "PeriodsPerSchedule",
        "integer",
        "24",
        is_writable=False,
    )
    yield Variable(
        "MaxChargingProfilesInstalled", smart, "Entries", "integer", "20", is_writable=False
    )
    yield Variable(
        "SupportedFeatureProfiles",
        "",
        "",
        "MemberList",
        "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        is_writable=False,
    )
    yield Variable(
        "ReserveConnectorZeroSupported",
        "ReservationCtrlr",
        "NonEvseSpecific",
        "boolean",
        str(config.ocpp != "1.6").lower(),
        is_writable=False,
    )
    yield Variable("", tx, "TxStartPoint", "MemberList", config.tx_start, is_writable=False)
    yield Variable("", tx, "TxStopPoint", "MemberList", "EVConnected,Authorized", is_writable=False)
    yield Variable("", "DeviceDataCtrlr", "ItemsPerMessage", "integer", "10", is_writable=False)
    yield Variable("", "ChargingStation", "Model", "string", config.model, is_writable=False)
    yield Variable("", "ChargingStation", "VendorName", "string", config.vendor, is_writable=False)
    yield Variable("CpoName", "SecurityCtrlr", "OrganizationName", "string", "Sandbox")
    yield Variable(
        "SecurityProfile",
        "SecurityCtrlr",
        "SecurityProfile",
        "integer",
        "1" if config.password else "0",
        is_writable=False,
    )
    yield Variable("AuthorizationKey", "SecurityCtrlr", "BasicAuthPassword", "secret", "")
    if public_key:
        # As the Open Charge Alliance has it in its application note on signed meter values.
        for number in range(1, count + 1):
            yield Variable(
                f"MeterPublicKey{number}", "", "", "string", public_key, is_writable=False
            )
        yield Variable("", "FiscalMetering", "PublicKey", "string", public_key, is_writable=False)


class Variables:
    """The variables of one station with their values."""

    def __init__(self, config: StationConfig, public_key: str = "") -> None:
        self.all = tuple(_variables(config, public_key))
        self._values = {id(one): one.value for one in self.all}

    def by_key(self, key: str) -> Variable | None:
        """Find a variable by its key of 1.6, which is told apart by its letters alone."""
        return next((one for one in self.all if one.key and one.key.lower() == key.lower()), None)

    def by_name(self, component: str, name: str) -> Variable | None:
        """Find a variable by its names of 2.0.1."""
        wanted = (component.lower(), name.lower())
        found = (one for one in self.all if (one.component.lower(), one.name.lower()) == wanted)
        return next(found, None) if all(wanted) else None

    def has_component(self, component: str) -> bool:
        """Answer whether there is such a component of 2.0.1."""
        return any(one.component.lower() == component.lower() for one in self.all if one.component)

    def value(self, variable: Variable) -> str:
        """Return the value of a variable."""
        return self._values[id(variable)]

    def set(self, variable: Variable, value: str) -> bool:
        """Set a variable; return whether the value is one of its kind."""
        if not _fits(variable.kind, value):
            return False
        self._values[id(variable)] = value
        return True

    def integer(self, key: str) -> int:
        """Return the value of an integer by its key of 1.6."""
        return int(self._of(key))

    def flag(self, key: str) -> bool:
        """Return the value of a boolean by its key of 1.6."""
        return self._of(key) == "true"

    def members(self, key: str) -> frozenset[str]:
        """Return the members of a list by its key of 1.6."""
        return frozenset(part.strip() for part in self._of(key).split(",") if part.strip())

    def _of(self, key: str) -> str:
        return next(self._values[id(one)] for one in self.all if one.key == key)


def _fits(kind: str, value: str) -> bool:
    if kind == "integer":
        return value.isascii() and value.isdigit() and len(value) < 10
    if kind == "boolean":
        return value in {"true", "false"}
    if kind == "secret":
        # OCPP 2.0.1, A01: a password has 16 to 40 characters.
        return 16 <= len(value) <= 40
    return len(value) <= _LONGEST_VALUE
