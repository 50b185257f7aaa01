"""What one partner wants said differently: data that staff sets, never an `if` for a name.

The meaning of each switch is in docs/partners.md; `Partner.dialect` holds the plain form.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cpo_platform.common.shapes import Shape

Pushed = Literal["locations", "tariffs", "sessions", "cdrs", "chargingprofiles"]


class Dialect(Shape):
    """How we speak to one partner; the defaults are OCPI's own advice."""

    # A status change: PATCH of the EVSE, or PUT of the whole EVSE.
    evse_status: Literal["PATCH", "PUT"] = "PATCH"
    # A change of a running session: PATCH of what changed, or PUT of the whole.
    sessions: Literal["PATCH", "PUT"] = "PATCH"
    # Modules that are not pushed: the partner pulls them.
    push_off: Annotated[list[Pushed], Field(max_length=5)] = []
    # Fields that are left out, such as `locations.images` or `locations.evses.images`.
    omit: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=100)]],
        Field(max_length=50),
    ] = []
    # Objects in a page of ours, at most; None: the platform's own maximum.
    page_size: Annotated[int, Field(ge=1, le=1000)] | None = None
    # Requests of ours to the partner, at most; None: as fast as it answers.
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    # OCPI-to-* and OCPI-from-* on our requests (2.2.1 and later).
    routing_headers: bool = True
    # Texts in ASCII only, as 2.1.1 has it formally: é becomes e.
    ascii_only: bool = False
