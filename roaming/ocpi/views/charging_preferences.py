"""What a driver wants of a session (OCPI 2.2.1, mod_sessions, PUT charging_preferences)."""

from roaming.ocpi.views.base import OcpiView


class ChargingPreferencesView(OcpiView):
    """What a driver wants of a session (OCPI 2.2.1, mod_sessions, PUT charging_preferences)."""
