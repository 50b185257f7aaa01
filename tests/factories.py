"""Valid objects in one line, made by the platform's own operations; nothing is random.

`LocationFactory()` is a location with one EVSE and one connector that has a tariff. What a test is
about, it says: `LocationFactory(evses=[evse("E1"), evse("E2", power="DC")])`. Ids that nobody chose
begin with AUTO, so that they never meet a chosen one.

The public names are the factories as functions, for the types' sake: a factory class is no type of
what it makes.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from factory.base import Factory
from factory.declarations import LazyAttribute, LazyFunction, Sequence

from cpo_platform.common.shapes import BusinessDetails, CdrToken, parse
from locations.models import Connector, Evse, Location
from locations.operations import put_location
from locations.shapes import LocationShape
from sessions_app.models import AuthMethod, Session, Token
from sessions_app.operations import sessions, tokens
from sessions_app.shapes import TokenShape
from tariffs.models import Party, Tariff
from tariffs.operations import put_party, put_tariff
from tariffs.shapes import TariffShape

# When everything is made, unless a test says otherwise: a Monday, 10:00 in Amsterdam.
NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)

Json = dict[str, Any]


def price(dimension: str, amount: str, *, vat: str | None = "21", step_size: int = 1) -> Json:
    """Return a price component."""
    component: Json = {"type": dimension, "price": amount, "step_size": step_size}
    return component if vat is None else component | {"vat": vat}


def connector(connector_id: str = "1", *, power: str = "AC", tariff_ids: Any = None) -> Json:
    """Return a connector: 22 kW AC or 150 kW DC."""
    kinds: dict[str, Json] = {
        "AC": {
            "standard": "IEC_62196_T2",
            "format": "SOCKET",
            "power_type": "AC_3_PHASE",
            "max_voltage": 230,
            "max_amperage": 32,
            "max_electric_power": 22000,
        },
        "DC": {
            "standard": "IEC_62196_T2_COMBO",
            "format": "CABLE",
            "power_type": "DC",
            "max_voltage": 920,
            "max_amperage": 400,
            "max_electric_power": 150000,
        },
    }
    return {"id": connector_id, "tariff_ids": tariff_ids, **kinds[power]}


def evse(uid: str = "E1", *, power: str = "AC", tariff_ids: Any = None, **fields: Any) -> Json:
    """Return an EVSE with one connector, AVAILABLE and able to start remotely."""
    return {
        "uid": uid,
        "evse_id": f"NL*TST*{uid}",
        "status": "AVAILABLE",
        "capabilities": ["REMOTE_START_STOP_CAPABLE", "RFID_READER"],
        "connectors": [connector(power=power, tariff_ids=tariff_ids)],
        **fields,
    }


def cdr_token(uid: str = "04AA", *, party_id: str = "EMS") -> CdrToken:
    """Return the token that a session is started with."""
    return CdrToken(
        country_code="NL", party_id=party_id, uid=uid, type="RFID", contract_id=f"NL-EMS-{uid}"
    )


def _put_party(*, country_code: str, party_id: str, name: str) -> Party:
    party, _outcome = put_party(
        country_code=country_code, party_id=party_id, business_details=BusinessDetails(name=name)
    )
    return party


def _ensure_party(country_code: str, party_id: str) -> None:
    if not Party.objects.filter(country_code=country_code, party_id=party_id).exists():
        PartyFactory(country_code=country_code, party_id=party_id)


def _put_tariff(*, now: datetime, **fields: Any) -> Tariff:
    _ensure_party(fields["country_code"], fields["party_id"])
    tariff, _outcome = put_tariff(tariff=parse(TariffShape, fields), now=now)
    return tariff


def _put_location(*, now: datetime, tariff: Tariff | None, **fields: Any) -> Location:
    _ensure_party(fields["country_code"], fields["party_id"])
    evses = [_with_tariff(item, [tariff.ocpi_id] if tariff else None) for item in fields["evses"]]
    shape = parse(LocationShape, fields | {"evses": evses})
    return put_location(location=shape, now=now).location


def _with_tariff(item: Json, tariff_ids: list[str] | None) -> Json:
    connectors = [
        one | {"tariff_ids": one["tariff_ids"] or tariff_ids} for one in item["connectors"]
    ]
    return item | {"connectors": connectors}


def _only_evse(**fields: Any) -> Evse:
    location: Location = LocationFactory(**fields)
    return location.evses.get()


def _only_connector(**fields: Any) -> Connector:
    return Connector.objects.select_related("evse__location").get(evse=_only_evse(**fields))


def _put_token(**fields: Any) -> Token:
    token, _outcome = tokens.put_token(token=parse(TokenShape, fields))
    return token


def _start_session(*, connector: Connector, active: bool, now: datetime, **fields: Any) -> Session:
    session = sessions.start_session(connector_id=connector.pk, now=now, **fields)
    return sessions.activate_session(session_id=session.pk, now=now) if active else session


class _PartyFactory(Factory[Party]):
    """A CPO party of ours: NL*TST. One that exists is returned as it is."""

    class Meta:
        model = _put_party

    country_code = "NL"
    party_id = "TST"
    name = "Test Charging"


PartyFactory: Callable[..., Party] = _PartyFactory.create


class _TariffFactory(Factory[Tariff]):
    """A tariff of 0.40 EUR/kWh plus 21 % VAT; its party is made where it is missing."""

    class Meta:
        model = _put_tariff

    country_code = "NL"
    party_id = "TST"
    id = Sequence(lambda number: f"AUTO-T{number}")
    currency = "EUR"
    tax_included = "NO"
    elements = LazyFunction(lambda: [{"price_components": [price("ENERGY", "0.40")]}])
    now = NOW


TariffFactory: Callable[..., Tariff] = _TariffFactory.create


class _LocationFactory(Factory[Location]):
    """A location in Amsterdam with one EVSE.

    `tariff` (a row) is set at the connectors that name none; None: they have none.
    """

    class Meta:
        model = _put_location

    country_code = "NL"
    party_id = "TST"
    id = Sequence(lambda number: f"AUTO-L{number}")
    publish = True
    name = "Test location"
    address = "Teststraat 1"
    city = "Amsterdam"
    postal_code = "1000 AA"
    country = "NLD"
    coordinates = LazyFunction(lambda: {"latitude": "52.370216", "longitude": "4.895168"})
    time_zone = "Europe/Amsterdam"
    evses = Sequence(lambda number: [evse(f"AUTO-E{number}")])
    tariff = LazyAttribute(
        lambda fields: TariffFactory(country_code=fields.country_code, party_id=fields.party_id)
    )
    now = NOW


LocationFactory: Callable[..., Location] = _LocationFactory.create


class _EvseFactory(Factory[Evse]):
    """The one EVSE of a location of its own; takes what `LocationFactory` takes."""

    class Meta:
        model = _only_evse


EvseFactory: Callable[..., Evse] = _EvseFactory.create


class _ConnectorFactory(Factory[Connector]):
    """The one connector of a location of its own; takes what `LocationFactory` takes."""

    class Meta:
        model = _only_connector


ConnectorFactory: Callable[..., Connector] = _ConnectorFactory.create


class _TokenFactory(Factory[Token]):
    """An RFID card of the eMSP NL*EMS that may charge without being asked about."""

    class Meta:
        model = _put_token

    country_code = "NL"
    party_id = "EMS"
    uid = Sequence(lambda number: f"04AA{number:010d}")
    type = "RFID"
    contract_id = Sequence(lambda number: f"NL-EMS-C{number:08d}")
    issuer = "Test eMSP"
    valid = True
    whitelist = "ALLOWED"
    last_updated = NOW


TokenFactory: Callable[..., Token] = _TokenFactory.create


class _SessionFactory(Factory[Session]):
    """A session that is ACTIVE since `now`, at a connector of its own; `active=False`: PENDING."""

    class Meta:
        model = _start_session

    connector = LazyFunction(ConnectorFactory)
    cdr_token = LazyFunction(cdr_token)
    auth_method = AuthMethod.WHITELIST
    authorization_reference = ""
    meter_start = Decimal(1000)
    active = True
    now = NOW


SessionFactory: Callable[..., Session] = _SessionFactory.create
