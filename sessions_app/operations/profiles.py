"""What a station tells of its limits, passed on to whom it concerns."""

from datetime import datetime

from django.db import transaction

from sessions_app.models import Session
from sessions_app.signals import charging_profile_changed


def report_profile_change(*, session_id: int, now: datetime) -> None:
    """Announce that what a station may give in a session has changed, for whatever reason.

    A profile was set or cleared, staff or the grid limited the station, the session ended (OCPI
    2.2.1, mod_charging_profiles, 3.1). The limits themselves are the station's to tell.
    """
    with transaction.atomic():
        charging_profile_changed.send(sender=Session, session_id=session_id, now=now)
