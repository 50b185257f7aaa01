"""What a partner offers: its versions, and its endpoints in one of them."""

from collections.abc import Iterable
from typing import Any, Literal

from django.conf import settings

from cpo_platform.common.saying import say
from cpo_platform.common.shapes import OpenEnum, Problem, Shape, ShapeError, Url, listed, parse
from roaming.failures import NO_VERSIONS
from roaming.ocpi.talk import UNUSABLE_API, Talk
from roaming.ocpi.versions import RECEIVER, SENDER, VERSIONS, Version, version_key
from roaming.operations.partners import TheirEndpoint
from roaming.visibility import ONE_PARTY

UNSUPPORTED_VERSION = 3002
NO_MATCHING_ENDPOINTS = 3003
# What an eMSP is in a module, for versions whose endpoints do not say (OCPI 2.1.1, versions).
EMSP_INTERFACES = {
    "credentials": SENDER,
    "cdrs": RECEIVER,
    "commands": SENDER,
    "locations": RECEIVER,
    "sessions": RECEIVER,
    "tariffs": RECEIVER,
    "tokens": SENDER,
}
# Modules that exchange nothing by themselves.
CONFIGURATION_MODULES = frozenset(["credentials", "hubclientinfo", "versions"])


class VersionEntry(Shape):
    version: OpenEnum
    url: Url


class _Endpoint211(Shape):
    """OCPI 2.1.1, version_information_endpoint: without a role."""

    identifier: OpenEnum
    url: Url

    @property
    def interface(self) -> str:
        # A module that OCPI does not know has no interface that we could use.
        return EMSP_INTERFACES.get(self.identifier, "")


class _Endpoint(Shape):
    identifier: OpenEnum
    role: Literal["SENDER", "RECEIVER"]
    url: Url

    @property
    def interface(self) -> str:
        return self.role


class _CredentialsEndpoint(Shape):
    """It is listed once, and its role is not to be looked at (OCPI 2.2.1, versions)."""

    identifier: Literal["credentials"]
    url: Url

    @property
    def interface(self) -> str:
        return SENDER


_AnyEndpoint = _CredentialsEndpoint | _Endpoint | _Endpoint211


class _Details(Shape):
    version: OpenEnum
    endpoints: listed(dict[str, Any])  # type: ignore[valid-type]


def read_versions(talk: Talk, url: str) -> list[VersionEntry]:
    """Return what the partner lists at its versions URL."""
    reply = talk.get("versions", url, missing=NO_VERSIONS)
    entries: list[VersionEntry] = talk.read(listed(VersionEntry), reply, say("Read the versions"))
    return entries


def choose_version(
    talk: Talk, entries: Iterable[VersionEntry], wanted: str, present: str
) -> Version:
    """Return the version that is wanted; without a wish the present one, or the latest mutual one.

    Raises:
        HandshakeFailed: the partner does not offer it: a wish is not met with another version.

    """
    mutual = {
        entry.version: VERSIONS[entry.version] for entry in entries if entry.version in VERSIONS
    }
    number = wanted or present
    if number in mutual:
        return mutual[number]
    if not mutual or wanted:
        offered = ", ".join(sorted({entry.version for entry in entries}, key=version_key))
        ours = wanted or ", ".join(VERSIONS)
        raise talk.fail(
            say("Choose a version"),
            f"the partner offers {offered or 'none'}, we speak {ours}",
            UNSUPPORTED_VERSION,
        )
    return max(mutual.values(), key=lambda version: version.key)


def read_endpoints(
    talk: Talk, entries: Iterable[VersionEntry], version: Version
) -> list[TheirEndpoint]:
    """Return the partner's endpoints in a version."""
    number = version.number
    entry = next((entry for entry in entries if entry.version == number), None)
    if entry is None:
        raise talk.fail(
            say("Find the version"), f"the partner does not offer {number}", UNSUPPORTED_VERSION
        )
    step = say("Read the version's details")
    details: _Details = talk.read(_Details, talk.get(f"details of {number}", entry.url), step)
    try:
        return _unique(_endpoints(details, version))
    except ShapeError as error:
        raise talk.fail(step, str(error), UNUSABLE_API) from error


def _endpoints(details: _Details, version: Version) -> list[_AnyEndpoint]:
    problems: list[Problem] = []
    endpoints: list[_AnyEndpoint] = []
    for number, entry in enumerate(details.endpoints):
        shape: type[_AnyEndpoint] = _Endpoint
        if entry.get("identifier") == "credentials":
            shape = _CredentialsEndpoint
        elif version.number == ONE_PARTY:
            shape = _Endpoint211
        try:
            endpoints.append(parse(shape, entry))
        except ShapeError as error:
            problems += [
                Problem(f"endpoints[{number}].{problem.path}", problem.reason)
                for problem in error.problems
            ]
    if problems:
        raise ShapeError(problems)
    return endpoints


def _unique(entries: Iterable[_AnyEndpoint]) -> list[TheirEndpoint]:
    unique = {
        (entry.identifier, entry.interface): TheirEndpoint(
            entry.identifier, entry.interface, entry.url
        )
        for entry in entries
    }
    return list(unique.values())


def check_endpoints(talk: Talk, endpoints: Iterable[TheirEndpoint], *, is_emsp: bool) -> None:
    """Check that the partner offers what we need of it: a module, and in the interface we call.

    What an eMSP must offer is this business's decision (`REQUIRED_ENDPOINTS`), not OCPI's.
    """
    offered = {(endpoint.identifier, endpoint.role) for endpoint in endpoints}
    modules = {identifier for identifier, _role in offered}
    missing = []
    if is_emsp:
        missing = [text for text in settings.REQUIRED_ENDPOINTS if not _is_offered(text, offered)]
    if "credentials" not in modules:
        missing.insert(0, "credentials")
    if missing:
        raise talk.fail(
            say("Check the endpoints"),
            f"the partner has no endpoint {', '.join(missing)}",
            NO_MATCHING_ENDPOINTS,
        )
    if not modules - CONFIGURATION_MODULES:
        raise talk.fail(
            say("Check the endpoints"),
            "the partner offers no module besides credentials",
            NO_MATCHING_ENDPOINTS,
        )


def _is_offered(required: str, offered: Iterable[tuple[str, str]]) -> bool:
    """Tell whether `cdrs:RECEIVER`, or `cdrs` in whichever interface, is among the endpoints."""
    wanted, _colon, interface = required.partition(":")
    return any(identifier == wanted and interface in {"", role} for identifier, role in offered)
