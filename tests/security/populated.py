"""One row of everything that has a page, made by operations as everything else."""

from datetime import timedelta

from django.contrib.auth.models import Group

from cpo_platform.common.saying import say
from ocpp_gateway.models import AlertKind, Station
from ocpp_gateway.operations.alerts import raise_alert
from roaming import message_log
from roaming.models import Partner
from sessions_app.models import Session
from sessions_app.operations import sessions
from tests.factories import NOW, LocationFactory, SessionFactory, TokenFactory
from tests.ocpp_gateway.placing import open_transaction, place
from tests.roaming.test_message_log import entry

HOUR = timedelta(hours=1)


def populate(partner: Partner) -> Station:
    """Return the station; the rest is found by its pages."""
    Group.objects.create(name="Operators")
    TokenFactory()
    location = LocationFactory()
    session: Session = SessionFactory(connector=location.evses.get().connectors.get())
    station = place(location)
    open_transaction(session)
    raise_alert(station_id=station.pk, kind=AlertKind.FLOOD, saying=say("Too much"), now=NOW)
    message_log.write([entry(partner_id=partner.pk)])
    sessions.stop_session(session_id=session.pk, ended_at=NOW + HOUR, now=NOW + HOUR)
    return station
