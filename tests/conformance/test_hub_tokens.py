"""The tokens of all parties behind a hub, in one list (OCPI 2.2.1, transport_and_format)."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from roaming import pulling
from roaming.models import Partner, PartnerRole
from sessions_app.models import Token
from tests.factories import PartyFactory
from tests.roaming.conftest import make_partner
from tests.roaming.peer import Answered, Peer, running_peer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hub(settings: Settings) -> Iterator[Peer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    PartyFactory()
    with running_peer() as running:
        running.tokens = {"their-token"}
        yield running


@pytest.mark.rule("TR-63", "TR-119")
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_tokens_behind_a_hub_are_asked_of_the_hub_and_say_whose_they_are(
    hub: Peer, version: str
) -> None:
    made = make_partner(party_id="ONE", endpoints={"tokens": f"{hub.url}/tokens"})
    Partner.objects.update(version=version, hub_party_id="NLHUB")
    PartnerRole.objects.create(
        partner=made.partner, role="EMSP", country_code="NL", party_id="TWO", granted=True
    )
    hub.answers["/tokens"] = Answered(
        [
            {
                "country_code": "NL",
                "party_id": party_id,
                "uid": "04AA",
                "type": "RFID",
                "contract_id": f"NL-{party_id}-C1",
                "issuer": party_id,
                "valid": True,
                "whitelist": "ALLOWED",
                "last_updated": "2026-06-01T08:00:00Z",
            }
            for party_id in ("ONE", "TWO", "XXX")
        ]
    )

    pulling.pull_partner(made.partner.pk)

    (asked,) = [seen for seen in hub.seen if seen.path == "/tokens"]
    assert asked.method == "GET"
    assert asked.headers["ocpi-to-country-code"] == "NL"
    assert asked.headers["ocpi-to-party-id"] == "HUB"
    # Each is its owner's; those of nobody who is behind the hub are left alone.
    owners = Token.objects.order_by("party_id").values_list("party_id", "contract_id")
    assert list(owners) == [("ONE", "NL-ONE-C1"), ("TWO", "NL-TWO-C1")]
