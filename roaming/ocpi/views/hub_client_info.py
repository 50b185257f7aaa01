"""Parties behind a hub (OCPI 2.2.1, mod_hub_client_info, Receiver interface)."""

from roaming.ocpi.views.base import OcpiView


class ClientInfoView(OcpiView):
    """Parties behind a hub (OCPI 2.2.1, mod_hub_client_info, Receiver interface)."""
