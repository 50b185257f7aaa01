"""A sandbox partner that holds our objects, of any version, and whose copies a test can spoil."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from cpo_platform.common import clock
from cpo_platform.common.secrets import encrypt
from locations.models import Evse
from roaming import drifting
from roaming.models import Drift, DriftCheck, Endpoint, Partner
from roaming.operations import drift, drift_objects
from sandbox.emsp import Emsp, running_emsp
from sandbox.emsp.store import object_key
from sessions_app.metering import Reading
from sessions_app.models import Cdr
from sessions_app.operations import sessions
from tests.factories import LocationFactory, SessionFactory, TariffFactory, cdr_token, evse
from tests.roaming import lanes
from tests.roaming.conftest import make_partner

Json = dict[str, Any]
OUR_ROLE = {
    "role": "CPO",
    "country_code": "NL",
    "party_id": "TST",
    "business_details": {"name": "Test"},
}


@dataclass
class Holder:
    """The partner, and what it holds."""

    emsp: Emsp
    partner: Partner

    def drain(self) -> None:
        """Send it all that it has to learn of, whatever pause was set."""
        lanes.drain(self.partner)

    def copy(self, module: str, object_id: str) -> Json | None:
        return self.emsp.get(module, "NL", "TST", object_id)

    def spoil(self, module: str, object_id: str, **fields: Any) -> None:
        """Change fields of its copy behind our back."""
        key = object_key("NL", "TST", object_id)
        self.emsp._store.put(module, key, (self.copy(module, object_id) or {}) | fields)

    def lose(self, module: str, object_id: str) -> None:
        self.emsp._store.delete(module, object_key("NL", "TST", object_id))

    def check(self, *, sample: int | None = None, **options: Any) -> DriftCheck:
        """Check it now, to the end."""
        check = drift.start_check(
            partner_id=self.partner.pk,
            sample=sample,
            started_by="tester",
            now=clock.now(),
            **options,
        )
        drifting.work_on(check.pk, seconds=None)
        return DriftCheck.objects.get(pk=check.pk)


@contextmanager
def holding(directory: Path, version: str = "2.2.1") -> Iterator[Holder]:
    """Run one that is registered, without the handshake, which other tests are about."""
    with running_emsp(database=str(directory / "holder.sqlite"), ocpi_version=version) as emsp:
        made = make_partner().partner
        Partner.objects.filter(pk=made.pk).update(
            version=version,
            token_encrypted=encrypt("token-EMS"),
            token_base64=version != "2.1.1",
            versions_url=emsp.versions_url,
        )
        for identifier in drift_objects.MODULES:
            Endpoint.objects.create(
                partner=made,
                identifier=identifier,
                role="RECEIVER",
                url=f"{emsp.url}/ocpi/{version}/{identifier}",
            )
        emsp.assume_registered(
            inbound_token="token-EMS",
            outbound_token="ours",
            versions_url="http://localhost/ocpi/versions",
            endpoints=[],
            roles=[OUR_ROLE],
            version=version,
        )
        yield Holder(emsp, Partner.objects.get(pk=made.pk))


def make_network(*, sites: int = 2) -> None:
    """Make a tariff DAY, locations SITE1, SITE2, … with two EVSEs each."""
    tariff = TariffFactory(id="DAY")
    for number in range(1, sites + 1):
        LocationFactory(
            id=f"SITE{number}",
            tariff=tariff,
            evses=[evse(f"E{number}A"), evse(f"E{number}B")],
            now=clock.now(),
        )


def make_cdr(uid: str = "E1A", card: str = "04AA") -> Cdr:
    """Charge for half an hour at an EVSE; return the CDR."""
    started = clock.now() - timedelta(minutes=30)
    connector = Evse.objects.get(uid=uid).connectors.get()
    session = SessionFactory(connector=connector, cdr_token=cdr_token(card), now=started)
    ended = clock.now()
    reading = Reading(ended, Decimal(1010))
    sessions.stop_session(session_id=session.pk, ended_at=ended, now=ended, readings=[reading])
    return Cdr.objects.get(session=session.pk)


def found(check: DriftCheck) -> list[tuple[str, str]]:
    """Return what a check found: module and kind."""
    return sorted(check.drifts.values_list("module", "kind"))


def fields_of(row: Drift) -> list[str]:
    return [difference["path"] for difference in row.differences]
