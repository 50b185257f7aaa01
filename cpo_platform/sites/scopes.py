"""How the rows that pages here read belong to a party and to a location."""

from cpo_platform.common.admin import register_scope
from cpo_platform.sites.models import SiteQuality
from locations.models import EvseUptime, LocationUptime, StatusChange


def register() -> None:
    """Say it of the history of statuses, and of quality."""
    register_scope(StatusChange, party="evse__location", location="evse__location")
    register_scope(EvseUptime, party="evse__location", location="evse__location")
    register_scope(LocationUptime, party="location", location="location")
    register_scope(SiteQuality, party="location", location="location")
