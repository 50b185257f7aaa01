"""Versions and their details (OCPI, version_information_endpoint)."""

from typing import Any

from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.versions import VERSIONS
from roaming.ocpi.views.base import OcpiView


class VersionsView(OcpiView):
    functional = False
    module_name = "versions"

    def get(self, request: Request, **_kwargs: Any) -> Response:
        return self.done(
            [{"version": version.number, "url": version.url} for version in VERSIONS.values()]
        )


class VersionDetailsView(OcpiView):
    functional = False
    module_name = "versions"

    def get(self, request: Request, **_kwargs: Any) -> Response:
        return self.done(
            {
                "version": self.spec.number,
                "endpoints": [
                    self.spec.shapes.endpoint(
                        module.identifier, module.role, self.spec.module_url(module.identifier)
                    )
                    for module in self.spec.modules
                ],
            }
        )
