"""The one table: which version has which module, in which role, in which shapes.

The URLs, the version details, pull and push are all derived from it.
"""

from dataclasses import dataclass

from django.conf import settings

from roaming.ocpi import v2_1_1, v2_2_1, v2_3_0
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.shapes import Shapes

SENDER = "SENDER"
RECEIVER = "RECEIVER"


@dataclass(frozen=True)
class Module:
    """A module that we serve, in the role that *we* have (OCPI 2.2.1, versions, Endpoint).

    `parts` are what the version has below the module that not every version has.
    """

    identifier: str
    role: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Version:
    number: str
    modules: tuple[Module, ...]
    shapes: Shapes
    # Counted up when a renderer changes what it writes: what was rendered before is stale then.
    revision: int = 1

    @property
    def key(self) -> tuple[int, ...]:
        """What versions are compared by: 2.10 is later than 2.9."""
        return version_key(self.number)

    def rendering(self, audience: Audience) -> str:
        """What documents are kept by: an old renderer's texts are not served after a new one's."""
        key = audience.key
        return f"{self.number}/{self.revision}" + (f"/{key}" if key else "")

    @property
    def url(self) -> str:
        return f"{versions_root()}/{self.number}"

    def module_url(self, identifier: str) -> str:
        return f"{self.url}/{identifier}"


# OCPI 2.2.1: `credentials` is listed once, as SENDER.
_CREDENTIALS = Module("credentials", SENDER)
_CPO_MODULES_2_1_1 = (
    _CREDENTIALS,
    Module("locations", SENDER),
    Module("tariffs", SENDER),
    Module("sessions", SENDER),
    Module("cdrs", SENDER),
    Module("tokens", RECEIVER),
    Module("commands", RECEIVER),
)
_CPO_MODULES = (
    _CREDENTIALS,
    Module("locations", SENDER),
    Module("tariffs", SENDER),
    Module("sessions", SENDER, parts=("charging_preferences",)),
    Module("cdrs", SENDER),
    Module("tokens", RECEIVER),
    Module("commands", RECEIVER),
    Module("chargingprofiles", RECEIVER),
    Module("hubclientinfo", RECEIVER),
)

VERSIONS: dict[str, Version] = {
    version.number: version
    for version in (
        Version("2.1.1", _CPO_MODULES_2_1_1, v2_1_1.SHAPES),
        Version("2.2.1", _CPO_MODULES, v2_2_1.SHAPES, revision=3),
        Version("2.3.0", _CPO_MODULES, v2_3_0.SHAPES, revision=2),
    )
}


def version_key(number: str) -> tuple[int, ...]:
    """Return what to compare version numbers by; () for one that is no number."""
    try:
        return tuple(int(part) for part in number.split("."))
    except ValueError:
        return ()


def versions_root() -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/ocpi"


def versions_url() -> str:
    return f"{versions_root()}/versions"
