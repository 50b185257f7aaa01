"""What tests of the gateway share."""

from collections.abc import Iterator

import pytest
import redis

from tests.ocpp_gateway.serving import RunningGateway, running_gateway


@pytest.fixture
def gateway(broker: "redis.Redis", transactional_db: None) -> Iterator[RunningGateway]:
    """Run a gateway, by the settings as they are."""
    with running_gateway() as running:
        yield running
