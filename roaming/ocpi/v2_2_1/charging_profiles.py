"""OCPI 2.2.1, mod_charging_profiles and mod_sessions (ChargingPreferences); 2.3.0 is the same."""

import re
from typing import Any
from urllib.parse import parse_qs, unquote

from cpo_platform.common.shapes import (
    ActiveChargingProfile,
    ChargingPreferences,
    ChargingProfile,
    Problem,
    Shape,
    ShapeError,
    Url,
    parse,
)
from roaming.models import ProfileAction
from roaming.ocpi.common.rendering import numbers
from roaming.ocpi.common.shapes import ProfileShapes
from roaming.operations.charging_profiles import ProfileCall

Json = dict[str, Any]

MAX_DURATION = 31_536_000

_RESPONSE_URL = re.compile(r"(?:^|&)response_url=")
_DURATION = re.compile(r"(?:^|&)duration=([^&]*)")
_LAST_DURATION = re.compile(r"&duration=([^&]*)$")


class _SetChargingProfile(Shape):
    charging_profile: ChargingProfile
    response_url: Url


def read_set(document: object) -> ProfileCall:
    """Return what a SetChargingProfile asks for.

    Raises:
        ShapeError: it breaks a rule, or a limit is negative.

    """
    request = parse(_SetChargingProfile, document)
    problems = [
        Problem(f"charging_profile.charging_profile_period[{index}].limit", "must not be negative")
        for index, period in enumerate(request.charging_profile.charging_profile_period or [])
        if period.limit < 0
    ]
    if problems:
        raise ShapeError(problems)
    return ProfileCall(ProfileAction.SET, request.response_url, profile=request.charging_profile)


def read_get(query: str) -> ProfileCall:
    """Return what the raw query of a GET asks for.

    Raises:
        ShapeError: `response_url` or `duration` is missing or none.

    """
    response_url, duration = read_query(query)
    if not (duration.isascii() and duration.isdigit() and 1 <= len(duration) <= 9):
        raise ShapeError([Problem("duration", "is required, in whole seconds")])
    seconds = int(duration)
    if not 1 <= seconds <= MAX_DURATION:
        raise ShapeError([Problem("duration", f"must be from 1 to {MAX_DURATION} seconds")])
    return ProfileCall(ProfileAction.GET, _url(response_url), duration=seconds)


def read_clear(query: str) -> ProfileCall:
    """Return what the raw query of a DELETE asks for.

    Raises:
        ShapeError: `response_url` is missing or none.

    """
    response_url, _duration = read_query(query)
    return ProfileCall(ProfileAction.CLEAR, _url(response_url))


def read_query(query: str) -> tuple[str, str]:
    """Return `response_url` and `duration` of a raw query, "" for what is not there.

    The specification's own example does not percent-encode the URL, which has a query itself:
    `?duration=900&response_url=https://emsp.example/r?id=1&part=2`. What follows belongs to the
    URL then, but for a `duration` at the end where there was none before.
    """
    found = _RESPONSE_URL.search(query)
    value = query[found.end() :] if found else ""
    if found is None or not value.lower().startswith(("http://", "https://")):
        fields = parse_qs(query)
        return fields.get("response_url", [""])[0], fields.get("duration", [""])[0]
    before = _DURATION.search(query[: found.start()])
    after = None if before else _LAST_DURATION.search(value)
    if after is not None:
        value = value[: after.start()]
    duration = before or after
    # Some encode all but what a query may hold as it is: the colon, the slash, the question mark.
    url = value if "=" in value else unquote(value)
    return url, unquote(duration.group(1)) if duration else ""


def _url(text: str) -> str:
    if not text:
        raise ShapeError([Problem("response_url", "is required")])
    try:
        return str(parse(Url, text))
    except ShapeError as error:
        raise ShapeError([Problem("response_url", error.problems[0].reason)]) from error


def read_preferences(document: object) -> ChargingPreferences:
    return parse(ChargingPreferences, document)


def render_response(result: str, timeout: int) -> Json:
    """Return a ChargingProfileResponse; `timeout` (s) is required in a refusal as well."""
    return {"result": result, "timeout": timeout}


def render_result(result: str, profile: ActiveChargingProfile | None) -> Json:
    """Return an ActiveChargingProfileResult, ChargingProfileResult or ClearProfileResult.

    Only the first has a profile, and only where the station told one.
    """
    return {"result": result} | ({"profile": render_active(profile)} if profile else {})


def render_active(profile: ActiveChargingProfile) -> Json:
    return numbers(profile)


SHAPES = ProfileShapes(
    read_get=read_get,
    read_set=read_set,
    read_clear=read_clear,
    read_preferences=read_preferences,
    response=render_response,
    result=render_result,
    active_profile=render_active,
)
