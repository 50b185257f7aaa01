"""What cannot be made a session: staff is told."""

import pytest

from cpo_platform.common import clock
from ocpp_gateway import tasks
from ocpp_gateway.models import AlertKind, StationAlert
from tests.conftest import Clock
from tests.ocpp_gateway.world import Charge, make_outlet, minute


@pytest.mark.django_db(transaction=True)
def test_staff_is_told_of_what_fails_again_until_it_is_understood(
    monkeypatch: pytest.MonkeyPatch, platform_clock: Clock
) -> None:
    charge = Charge(make_outlet())
    charge.start(0, 10_000)
    with monkeypatch.context() as patch:
        patch.setattr("ocpp_gateway.operations.digesting.facts_of", lambda *_a, **_k: 1 // 0)
        monkeypatch.setattr(clock, "now", lambda: minute(0.1))
        tasks.digest_news()
        assert not StationAlert.objects.exists()
        monkeypatch.setattr(clock, "now", lambda: minute(2))
        tasks.digest_news()
    alert = StationAlert.objects.get()
    assert (alert.kind, alert.resolved_at) == (AlertKind.FAILED, None)
    assert "ZeroDivisionError" in alert.seen

    monkeypatch.setattr(clock, "now", lambda: minute(10))
    tasks.digest_news()

    alert.refresh_from_db()
    assert alert.resolved_at == minute(10)
