"""Charging profiles (OCPI 2.2.1, mod_charging_profiles, Receiver interface)."""

from roaming.ocpi.views.base import OcpiView


class ChargingProfileView(OcpiView):
    """Charging profiles (OCPI 2.2.1, mod_charging_profiles, Receiver interface)."""
