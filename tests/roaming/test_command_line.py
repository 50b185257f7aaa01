"""What ops types: create_partner, register_partner, export_locations."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from roaming.models import Partner, PartnerStatus, PartnerToken
from tests.factories import LocationFactory, PartyFactory, evse
from tests.roaming.conftest import Caller, Registered

pytestmark = pytest.mark.django_db


def output_of(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_create_partner_prints_what_the_partner_needs_once() -> None:
    PartyFactory()

    told = json.loads(
        output_of("create_partner", "Example", "--party", "NL*EMS", "--role", "EMSP", "--json")
    )

    assert set(told) == {"token_a", "versions_url"}
    assert told["versions_url"] == "http://localhost:8000/ocpi/versions"
    assert Partner.objects.get().status == PartnerStatus.INVITED
    assert Caller(told["token_a"]).get("/ocpi/versions").status == 200
    assert told["token_a"] not in str(list(PartnerToken.objects.values()))


def test_inviting_again_replaces_the_token() -> None:
    first, second = (
        json.loads(output_of("create_partner", "Example", "--party", "NL*EMS", "--json"))
        for _each in range(2)
    )

    assert Caller(first["token_a"]).get("/ocpi/versions").status == 401
    assert Caller(second["token_a"]).get("/ocpi/versions").status == 200


@pytest.mark.parametrize(
    ("party", "reason"),
    [("NLEMS", "NL\\*EMS"), ("N*EMS", "Two letters"), ("NL*EMSP", "Three letters or digits")],
)
def test_a_bad_party_is_refused_and_nothing_is_created(party: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("create_partner", "Example", "--party", party)

    assert Partner.objects.count() == 0


def test_a_party_of_a_registered_partner_is_refused(first: Registered) -> None:
    with pytest.raises(CommandError, match="another partner speaks for nl\\*ems"):
        call_command("create_partner", "Second", "--party", "nl*ems")

    assert list(Partner.objects.all()) == [first.partner]


def test_a_registration_that_fails_tells_its_steps(settings: Any) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    out = StringIO()

    with pytest.raises(CommandError, match="the handshake failed"):
        call_command(
            "register_partner",
            "Example",
            "--versions-url=http://localhost:1/versions",
            "--token-a=x",
            stdout=out,
        )

    assert "NO  GET versions (http://localhost:1/versions)" in out.getvalue()
    assert PartnerToken.objects.count() == 0


def test_export_writes_what_partners_are_served(
    first: Registered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        LocationFactory(id=f"L{number}", evses=[evse(f"E{number}")])
    path = tmp_path / "locations.json"

    call_command("export_locations", "--version", "2.2.1", "--output", str(path))
    call_command("export_locations")

    served = first.call.get("locations").data
    assert json.loads(path.read_text()) == json.loads(json.dumps(served, default=float))
    assert json.loads(capsys.readouterr().out.split("written to")[-1].split("\n", 1)[-1]) == (
        json.loads(path.read_text())
    )
