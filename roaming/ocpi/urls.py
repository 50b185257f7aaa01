"""The OCPI URLs, derived from the table of versions. Both slash forms work, without redirects."""

from collections.abc import Sequence

from django.urls import URLPattern, re_path

from roaming.ocpi.versions import VERSIONS, Version
from roaming.ocpi.views.base import OcpiView, UnknownUrlView
from roaming.ocpi.views.charging_preferences import ChargingPreferencesView
from roaming.ocpi.views.charging_profiles import ChargingProfileView
from roaming.ocpi.views.commands import CommandView
from roaming.ocpi.views.credentials import CredentialsView
from roaming.ocpi.views.hub_client_info import ClientInfoView
from roaming.ocpi.views.lists import CdrsView, LocationsView, SessionsView, TariffsView
from roaming.ocpi.views.locations import LocationView
from roaming.ocpi.views.tokens import TokenView
from roaming.ocpi.views.versions import VersionDetailsView, VersionsView

_OWNER = r"/(?P<country_code>[^/]+)/(?P<party_id>[^/]+)"

# By module, what may follow its URL, and the view that answers.
VIEWS: dict[str, Sequence[tuple[str, type[OcpiView]]]] = {
    "credentials": [("", CredentialsView)],
    "locations": [
        ("", LocationsView),
        (
            r"/(?P<location_id>[^/]+)(?:/(?P<evse_uid>[^/]+)(?:/(?P<connector_id>[^/]+))?)?",
            LocationView,
        ),
    ],
    "tariffs": [("", TariffsView)],
    "sessions": [("", SessionsView)],
    "cdrs": [("", CdrsView)],
    "tokens": [(_OWNER + r"/(?P<token_uid>[^/]+)", TokenView)],
    "commands": [(r"/(?P<command>[^/]+)", CommandView)],
    "chargingprofiles": [(r"/(?P<session_id>[^/]+)", ChargingProfileView)],
    "hubclientinfo": [(_OWNER, ClientInfoView)],
}

# By module and part (`Module.parts`), as above.
PARTS: dict[tuple[str, str], tuple[str, type[OcpiView]]] = {
    ("sessions", "charging_preferences"): (
        r"/(?P<session_id>[^/]+)/charging_preferences",
        ChargingPreferencesView,
    ),
}


def _version_urls(version: Version) -> list[URLPattern]:
    number = version.number.replace(".", r"\.")
    patterns = [
        re_path(rf"^{number}/?$", VersionDetailsView.as_view(version=version)),
    ]
    for module in version.modules:
        parts = [PARTS[module.identifier, part] for part in module.parts]
        for tail, view in (*VIEWS[module.identifier], *parts):
            patterns.append(
                re_path(
                    rf"^{number}/{module.identifier}{tail}/?$",
                    view.as_view(version=version, module_name=module.identifier),
                )
            )
    return patterns


urlpatterns = [
    re_path(r"^versions/?$", VersionsView.as_view()),
    *(pattern for version in VERSIONS.values() for pattern in _version_urls(version)),
    re_path(r"^", UnknownUrlView.as_view()),
]
