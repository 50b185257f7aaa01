"""A network whose time is in the hands of the test."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.alerting import sending, watching
from cpo_platform.alerting.models import Channel, ChannelKind, Kind, Rule
from cpo_platform.common import http
from cpo_platform.common.secrets import encrypt
from locations.models import Location
from ocpp_gateway.models import Station, StationState
from tests.factories import NOW, LocationFactory

SECRET = "a-secret-of-sixteen-characters"


@pytest.fixture(autouse=True)
def only_own_rules(db: None, settings: Settings) -> None:
    """Begin without the rules of a new platform; e-mail is on, and goes to `mail.outbox`."""
    settings.EMAIL_IS_ON = True
    Rule.objects.all().delete()


def rule(kind: Kind, **fields: Any) -> Rule:
    return Rule.objects.create(
        kind=kind, **{"delay_minutes": 0, "clear_minutes": 5, "severity": 2, **fields}
    )


def site(number: int = 1, *, stations: int = 1, **fields: Any) -> Location:
    """Make a location with stations that are online."""
    location = LocationFactory(id=f"L{number}", name=f"Site {number}", **fields)
    Station.objects.bulk_create(
        Station(
            identity=f"CP-{number}-{place}",
            state=StationState.PLACED,
            location=location,
            online_until=NOW + timedelta(days=30),
        )
        for place in range(stations)
    )
    return location


def go_offline(*locations: Location, at: datetime = NOW, count: int | None = None) -> None:
    for location in locations:
        rows = Station.objects.filter(location=location, online_until__gt=at).order_by("pk")
        keys = list(rows.values_list("pk", flat=True)[:count])
        Station.objects.filter(pk__in=keys).update(online_until=at)


def come_back(*locations: Location) -> None:
    rows = Station.objects.filter(location__in=locations)
    rows.update(online_until=NOW + timedelta(days=30))


def mail_channel(name: str = "Ops", **fields: Any) -> Channel:
    return Channel.objects.create(
        name=name, kind=ChannelKind.EMAIL, addresses=["ops@cpo.example"], **fields
    )


def webhook(name: str = "Hook", **fields: Any) -> Channel:
    return Channel.objects.create(
        name=name,
        kind=ChannelKind.WEBHOOK,
        url="https://hooks.example/cpo",
        secret_encrypted=encrypt(SECRET),
        **fields,
    )


class Run:
    """The beat, as a test has it: a look each half a minute, and what is due is delivered."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self, *, every: timedelta = timedelta(seconds=30), **by: float) -> datetime:
        """Go on for so long; look less often where nothing changes that could be missed."""
        end = self.now + timedelta(**by)
        while self.now < end:
            self.now = min(self.now + every, end)
            self.look()
        return self.now

    def look(self) -> None:
        watching.watch(now=self.now)
        while sending.deliver_due(now=self.now):
            pass

    def jump(self, **by: float) -> datetime:
        """Go on without looking on the way, and look then."""
        self.now += timedelta(**by)
        self.look()
        return self.now


@pytest.fixture
def run() -> Run:
    return Run()


class Receiver:
    """Who gets webhooks: what came, and what it answers."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer = http.Answer(200, b"thanks", {}, "", 12)

    def send(self, method: str, url: str, **kwargs: Any) -> http.Answer:
        self.calls.append({"method": method, "url": url, **kwargs})
        return self.answer


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    found = Receiver()
    monkeypatch.setattr(http, "send", found.send)
    return found


Looks = Callable[..., datetime]
