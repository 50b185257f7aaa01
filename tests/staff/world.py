"""Two parties with an object of every kind, and every address of the admin."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.urls import URLPattern, URLResolver

from cpo_platform.alerting.models import Channel, Incident, Kind, Rule
from cpo_platform.bulk.models import Job, JobRow
from cpo_platform.common import clock
from cpo_platform.common.secrets import encrypt
from cpo_platform.common.shapes import CdrToken
from cpo_platform.staff import operations
from cpo_platform.upkeep.models import Schedule
from locations import operations as location_operations
from locations.models import Connector, Location, LocationGroup
from ocpp_gateway.models import (
    AlertKind,
    Direction,
    Outlet,
    Station,
    StationAlert,
    StationMessage,
    StationState,
    Transaction,
)
from roaming.models import (
    Command,
    DriftCheck,
    Message,
    Partner,
    PartnerStatus,
    ProfileRequest,
    Quarantined,
    RefusedCall,
    Why,
)
from sessions_app.metering import Reading
from sessions_app.models import Cdr, CdrHold, Replay, Reservation, Session
from sessions_app.operations import sessions
from tariffs.models import Party
from tests.factories import (
    NOW,
    LocationFactory,
    PartyFactory,
    SessionFactory,
    TariffFactory,
    TokenFactory,
    evse,
)
from tests.roaming.lanes import open_lanes

# Registers that cannot be right: the CDR is held.
JUMP = [
    Reading(at=NOW + timedelta(minutes=number), kwh=Decimal(kwh))
    for number, kwh in ((20, 1004), (21, 1904), (60, 1010))
]
# Stands in every text of the party that a scoped person must not see.
MARK = "ZZQX"


@dataclass(frozen=True)
class World:
    """One row of each model of the admin, by its label: of our party, and of the other one."""

    party: Party
    group: LocationGroup
    own: dict[str, int]
    other: dict[str, int]


def make_world() -> World:
    """Make both parties; what belongs to no party is the same for both."""
    partner = make_partner()
    shared = {
        "sessions_app.token": TokenFactory().pk,
        "roaming.partner": partner.pk,
        **_of_partner(partner),
        "auth.group": Group.objects.create(name="Night shift").pk,
        # There is none: where a database is new, the first entry is of this very world.
        "audit.entry": 0,
        "upkeep.schedule": Schedule.objects.get(name="wake-feeds").pk,
        "alerting.rule": Rule.objects.create(kind=Kind.STATION_OFFLINE).pk,
        "alerting.channel": Channel.objects.create(
            name="Ops", kind="EMAIL", addresses=["ops@cpo.example"]
        ).pk,
    }
    party, own = _network("TST", "", partner)
    _other_party, other = _network("OTH", MARK, partner)
    own["auth.user"] = _person("colleague", party).pk
    other["auth.user"] = User.objects.create_user(
        f"{MARK}-person", email=f"{MARK}@example.com", is_staff=True
    ).pk
    group = LocationGroup.objects.get(pk=own["locations.locationgroup"])
    return World(party, group, {**shared, **own}, {**shared, **other})


def _person(name: str, party: Party) -> User:
    user = User.objects.create_user(name, is_staff=True)
    operations.set_roles(user_id=user.pk, roles=["read_only"])
    operations.set_scope(user_id=user.pk, everything=False, party_ids=[party.pk])
    return user


def make_partner() -> Partner:
    partner = Partner.objects.create(
        name="First eMSP",
        status=PartnerStatus.REGISTERED,
        version="2.2.1",
        versions_url="https://emsp.example/versions",
        token_encrypted=encrypt("their-token"),
        told_parties=["NL*TST"],
    )
    open_lanes(partner)
    return partner


def _of_partner(partner: Partner) -> dict[str, int]:
    now = clock.now()
    message = Message.objects.create(
        partner=partner, at=now, direction="IN", method="GET", url="/ocpi/2.2.1/locations"
    )
    check = DriftCheck.objects.create(partner=partner, seed=1, created_at=now, due_at=now)
    return {"roaming.message": message.pk, "roaming.driftcheck": check.pk}


def _network(party_id: str, mark: str, partner: Partner) -> tuple[Party, dict[str, int]]:
    """Make the objects of a party; `mark` is a part of all its names and ids."""
    name = mark or "OWN"
    party = PartyFactory(party_id=party_id, name=f"{name} Charging")
    tariff = TariffFactory(
        party_id=party_id,
        id=f"{name}-T",
        tariff_alt_text=[{"language": "en", "text": f"{name} text"}],
    )
    location = LocationFactory(
        party_id=party_id,
        id=f"{name}-L",
        name=f"{name} site",
        address=f"{name} street",
        city=f"{name} town",
        # Where nobody goes: it is refused before anything is asked.
        images=[{"url": f"https://127.0.0.1/{name}.jpg", "category": "ENTRANCE", "type": "jpeg"}],
        evses=[
            evse(f"{name}-E{number}", physical_reference=f"{name}-P{number}") for number in range(4)
        ],
        tariff=tariff,
        parking_places=[
            {
                "id": f"{name}-PARK",
                "vehicle_types": ["BUS"],
                "restricted_to_type": False,
                "reservation_required": False,
            }
        ],
    )
    group = location_operations.put_group(
        group=LocationGroup(name=f"{name} group"), location_ids=[location.pk], now=NOW
    )
    ids = {
        "tariffs.party": party.pk,
        "tariffs.tariff": tariff.pk,
        "locations.location": location.pk,
        "locations.evse": location.evses.order_by("pk")[0].pk,
        "locations.locationgroup": group.pk,
        "locations.parkingplace": location.parking_places.get().pk,
        **_charging(location, name, partner),
        **_station(location, name),
    }
    quarantined = Quarantined.objects.create(
        module="locations",
        object_id=location.pk,
        version="2.2.1/1",
        problems=[f"{name} problem"],
        last_updated=NOW,
        found_at=NOW,
    )
    refused_call = RefusedCall.objects.create(
        hour=NOW,
        address="198.51.100.7",
        module=f"{name} module",
        why=Why.SUSPENDED,
        partner=partner,
        count=1,
        last_at=NOW,
    )
    replay = Replay.objects.create(
        tariff=tariff,
        candidate={
            "country_code": "NL",
            "party_id": party_id,
            "id": f"{name}-T",
            "currency": "EUR",
            "elements": [{"price_components": [{"type": "ENERGY", "price": "1", "step_size": 1}]}],
        },
        currency="EUR",
        period_start=NOW,
        period_end=NOW + timedelta(days=1),
        country_code="NL",
        party_id=party_id,
        place=f"{name} place",
        status="DONE",
        finished_at=NOW,
        started_at=NOW,
        moved_at=NOW,
    )
    return party, {
        **ids,
        "roaming.quarantined": quarantined.pk,
        "roaming.refusedcall": refused_call.pk,
        "sessions_app.replay": replay.pk,
        "alerting.incident": make_incident(location, name).pk,
        "bulk.job": _bulk_job(location, name).pk,
    }


def _bulk_job(location: Location, name: str) -> Job:
    job = Job.objects.create(
        kind="CHANGE",
        label="locations.evse",
        state="DONE",
        started_by_name=f"{name} person",
        file_name=f"{name}.csv",
        prepared=True,
        total=1,
        started_at=NOW,
        moved_at=NOW,
    )
    JobRow.objects.create(
        job=job,
        number=1,
        object_id=location.evses.order_by("pk")[0].pk,
        name=f"{name} EVSE",
        outcome="CHANGED",
        after={"floor_level": [f"{name} floor"]},
    )
    return job


def make_incident(location: Location, name: str) -> Incident:
    return Incident.objects.create(
        cause="ALONE",
        key=f"station:{location.pk}",
        severity=2,
        params={"kind": "STATION_OFFLINE", "alert": {"name": name, "site": name}},
        location=location,
        country_code=location.country_code,
        party_id=location.party_id,
        opened_at=NOW,
        grown_at=NOW,
    )


def _session(location: Location, place: int, name: str) -> Session:
    connector = Connector.objects.get(evse=location.evses.order_by("pk")[place])
    token = CdrToken(
        country_code="NL",
        party_id="EMS",
        uid=f"{name}-U{place}",
        type="RFID",
        contract_id=f"NL-EMS-{name}{place}",
    )
    return SessionFactory(
        connector=connector, cdr_token=token, authorization_reference=f"{name}-A{place}"
    )


def _charging(location: Location, name: str, partner: Partner) -> dict[str, int]:
    running, ended, held, reserved = (_session(location, place, name) for place in range(4))
    at = NOW + timedelta(hours=1)
    sessions.stop_session(session_id=ended.pk, ended_at=at, now=at)
    sessions.stop_session(session_id=held.pk, ended_at=at, now=at, readings=JUMP)
    cdr = Cdr.objects.get(session=ended)
    hold = CdrHold.objects.get(session=held)
    reservation = Reservation.objects.create(
        owner_country_code="NL",
        owner_party_id="EMS",
        reservation_id=f"{name}-R",
        session=reserved,
        location=location,
        evse=reserved.evse,
        reserved_at=NOW,
        expiry_date=NOW + timedelta(hours=1),
    )
    command = Command.objects.create(
        partner=partner,
        command="STOP_SESSION",
        response_url="https://emsp.example/x",
        location=location,
        session=running,
        authorization_reference=f"{name}-CMD",
        message=f"{name} message",
        received_at=NOW,
        deadline=NOW,
    )
    profile = ProfileRequest.objects.create(
        partner=partner,
        session=running,
        action="GET",
        response_url=f"https://emsp.example/{name}",
        received_at=NOW,
        deadline=NOW,
    )
    return {
        "sessions_app.session": running.pk,
        "sessions_app.cdr": cdr.pk,
        "sessions_app.cdrhold": hold.pk,
        "sessions_app.reservation": reservation.pk,
        "roaming.command": command.pk,
        "roaming.profilerequest": profile.pk,
    }


def _station(location: Location, name: str) -> dict[str, int]:
    now = clock.now()
    station = Station.objects.create(
        identity=f"{name}-STATION",
        state=StationState.PLACED,
        location=location,
        ocpp_version="ocpp1.6",
        vendor=f"{name} vendor",
        serial_number=f"{name}-SN",
    )
    outlet = Outlet.objects.create(
        station=station,
        connector=Connector.objects.filter(evse__location=location).order_by("pk")[0],
        ordinal=1,
        evse_number=1,
        connector_number=1,
    )
    transaction = Transaction.objects.create(
        station=station,
        outlet=outlet,
        ref=f"{name}-REF",
        ocpp_version="ocpp1.6",
        token_uid=f"{name}-TOKEN",
        opened_at=now,
    )
    message = StationMessage.objects.create(
        station=station,
        transaction=transaction,
        at=now,
        direction=Direction.IN,
        ocpp_version="ocpp1.6",
        action="Heartbeat",
        payload=f'{{"a": "{name}"}}',
    )
    alert = StationAlert.objects.create(
        kind=AlertKind.FLOOD, station=station, text=f"{name} flood", raised_at=now
    )
    return {
        "ocpp_gateway.station": station.pk,
        "ocpp_gateway.transaction": transaction.pk,
        "ocpp_gateway.stationmessage": message.pk,
        "ocpp_gateway.stationalert": alert.pk,
    }


@dataclass(frozen=True)
class Address:
    """An address of the admin: its name, the model that it is below, and the parts to fill in."""

    name: str
    label: str
    route: str

    def url(self, ids: dict[str, int]) -> str:
        """Return the address for one world's rows."""
        own = ids.get(self.label, 1)
        parts: dict[str, Any] = {
            "object_id": own,
            "id": own,
            "location_id": ids["locations.location"],
            "partner_id": ids["roaming.partner"],
            "token": "nothing",
            "number": 0,
            "content_type_id": 1,
            "app_label": "tariffs",
        }
        text = self.route
        for name, value in parts.items():
            for kind in ("int:", "str:", "path:", ""):
                text = text.replace(f"<{kind}{name}>", str(value))
        return f"/admin/{text}"


def addresses() -> list[Address]:
    """Return every address of the admin."""
    prefixes = {
        f"{model._meta.app_label}/{model._meta.model_name}/": model._meta.label_lower
        for model in admin.site._registry
    }
    return list(_walk(admin.site.get_urls(), "", "", prefixes))


def _walk(
    patterns: list[Any], before: str, label: str, prefixes: dict[str, str]
) -> Iterator[Address]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found = label or prefixes.get(route, "")
            yield from _walk(pattern.url_patterns, route, found, prefixes)
        elif isinstance(pattern, URLPattern):
            yield Address(pattern.name or "", label, route)


_SUM = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"


def checksums(models: list[type[Model]]) -> dict[str, str]:
    """Return a sum over all rows of each table: equal where nothing has changed."""
    found = {}
    with connection.cursor() as cursor:
        for model in models:
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(_SUM.format(table))
            found[model._meta.label] = cursor.fetchone()[0]
    return found
