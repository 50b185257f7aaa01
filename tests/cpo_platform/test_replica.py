"""What reads much is read from a standby, as long as there is one that is good enough."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from cpo_platform.common import replica
from cpo_platform.common.replica import Standby, State
from cpo_platform.common.resting import Rest
from cpo_platform.staff import operations
from locations.models import Location
from tariffs.models import Party
from tests.exchange.files import address, rows
from tests.factories import LocationFactory
from tests.upkeep.test_figures import metric

Answer = tuple[bool, bool | None, float | None]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Let a second connection to the test's database be the standby's; return its settings."""
    settings = {**connections[DEFAULT_DB_ALIAS].settings_dict, "CONN_MAX_AGE": 0}
    monkeypatch.setitem(connections.settings, replica.ALIAS, settings)
    monkeypatch.setattr(replica, "_rest", Rest(replica.REST_SECONDS))
    # Tests may connect to databases of this name only.
    connections[replica.ALIAS] = DatabaseWrapper(settings, alias=DEFAULT_DB_ALIAS)
    yield settings
    connections[replica.ALIAS].close()
    del connections[replica.ALIAS]


@pytest.fixture
def says(own: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """Let the standby say the last of these: is it one, has it all, how old is what it has."""
    answers: list[Answer] = [(True, True, 0.0)]
    asked = replica._row

    def row(using: str, sql: str, *values: str) -> tuple[Any, ...]:
        return answers[-1] if using == replica.ALIAS else asked(using, sql, *values)

    monkeypatch.setattr(replica, "_row", row)
    return answers


@pytest.mark.django_db
def test_without_one_the_primary_is_read_and_nothing_asked(
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(0):
        assert replica.reading(Location.objects.all()).db == DEFAULT_DB_ALIAS


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "standby"),
    [
        ((True, True, 0.0), Standby(State.OK, 0.0)),
        # Nobody has written for an hour: it has everything.
        ((True, True, 3600.0), Standby(State.OK, 0.0)),
        ((True, False, 2.04), Standby(State.OK, 2.0)),
        ((True, False, 10.2), Standby(State.LATE, 10.2)),
        # The clocks differ.
        ((True, False, -0.5), Standby(State.OK, 0.0)),
        ((True, False, None), Standby(State.LATE)),
        ((False, None, None), Standby(State.PROMOTED)),
    ],
)
def test_one_that_is_late_or_none_is_not_read(
    says: list[Answer], answer: Answer, standby: Standby
) -> None:
    says.append(answer)
    assert replica.look() == standby
    is_read = standby.state is State.OK
    assert replica.alias() == (replica.ALIAS if is_read else DEFAULT_DB_ALIAS)


@pytest.mark.django_db(transaction=True)
def test_an_export_is_read_from_it_within_the_persons_scope(
    says: list[Answer], broker: "redis.Redis"
) -> None:
    LocationFactory(country_code="DE", party_id="ABC", id="OURS")
    LocationFactory(country_code="DE", party_id="XYZ", id="THEIRS")
    user = User.objects.create_user("ann", is_staff=True)
    operations.set_roles(user_id=user.pk, roles=["operator_admin"])
    party = Party.objects.get(party_id="ABC")
    operations.set_scope(user_id=user.pk, everything=False, party_ids=[party.pk])
    client = Client()
    client.force_login(user)
    with (
        CaptureQueriesContext(connections[replica.ALIAS]) as there,
        CaptureQueriesContext(connections[DEFAULT_DB_ALIAS]) as here,
    ):
        found = rows(client, address(Location))
    assert [row["ocpi_id"] for row in found] == ["OURS"]
    assert ["locations_location" in query["sql"] for query in there] == [True]
    # Who asks, and that a file was taken, are read and written where they belong.
    assert any("auth_user" in query["sql"] for query in here)
    assert not any("auth_user" in query["sql"] for query in there)


@pytest.mark.django_db(transaction=True)
def test_the_files_of_availability_are_read_from_it(
    admin_client: Client, says: list[Answer]
) -> None:
    with CaptureQueriesContext(connections[replica.ALIAS]) as there:
        answer: Any = admin_client.get(reverse("sites:availability_csv", args=["sites"]))
        assert b"".join(answer.streaming_content)
    assert sum("locations_locationuptime" in query["sql"] for query in there) == 2


@pytest.mark.django_db
def test_one_that_does_not_answer_is_passed_over_and_left_alone(
    admin_client: Client, own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    own |= {"HOST": "127.0.0.1", "PORT": "1"}
    LocationFactory(id="L1")
    assert [row["ocpi_id"] for row in rows(admin_client, address(Location))] == ["L1"]
    monkeypatch.setattr(replica, "_row", lambda *_: pytest.fail("it was asked again"))
    assert [row["ocpi_id"] for row in rows(admin_client, address(Location))] == ["L1"]


@pytest.mark.django_db
def test_monitoring_is_told_how_late_it_is(
    client: Client, says: list[Answer], broker: "redis.Redis", settings: Settings
) -> None:
    settings.REPLICA_LAG_SECONDS = 5
    says.append((True, False, 7.0))
    assert metric(client, "cpo_replica_lag_seconds") == 7
    assert metric(client, "cpo_up", part="replica") == 1
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["replica"] == {"status": "late", "lag_seconds": 7.0}


@pytest.mark.django_db
def test_one_that_is_away_only_degrades(
    client: Client, own: dict[str, Any], broker: "redis.Redis"
) -> None:
    own |= {"HOST": "127.0.0.1", "PORT": "1"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["replica"] == {"status": "unreachable"}
    assert metric(client, "cpo_up", part="replica") == 0
