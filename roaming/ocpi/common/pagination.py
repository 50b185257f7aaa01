"""Pages of lists: `offset`, `limit`, `date_from`, `date_to` (OCPI 2.2.1, transport_and_format)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import DateTime, ShapeError, parse
from roaming.ocpi.common.errors import InvalidParameters

MAX_LIMIT = 100
MAX_OFFSET = 2**31
MAX_DIGITS = 20


@dataclass(frozen=True)
class PageRequest:
    """What a partner asked for: `date_from` inclusive, `date_to` exclusive."""

    offset: int
    limit: int
    date_from: datetime | None
    date_to: datetime | None

    def headers(self, *, url: str, total: int) -> dict[str, str]:
        """Return X-Total-Count, X-Limit (our maximum) and, but for the last page, Link."""
        headers = {"X-Total-Count": str(total), "X-Limit": str(MAX_LIMIT)}
        following = self.offset + self.limit
        if following < total:
            query = {"offset": following, "limit": self.limit} | self._dates()
            headers["Link"] = f'<{url}?{urlencode(query)}>; rel="next"'
        return headers

    def _dates(self) -> dict[str, str]:
        return {
            name: format_datetime(moment)
            for name, moment in (("date_from", self.date_from), ("date_to", self.date_to))
            if moment is not None
        }


def read_page(query: Mapping[str, str], *, date_from_required: bool = False) -> PageRequest:
    """Return what a list request asks for; a limit above ours is lowered to ours.

    Raises:
        InvalidParameters: a parameter breaks a rule, or `date_from` is required and missing.

    """
    date_from = _moment(query, "date_from")
    if date_from is None and date_from_required:
        raise InvalidParameters("date_from: is required")
    return PageRequest(
        offset=_whole(query, "offset", 0, minimum=0),
        limit=min(_whole(query, "limit", MAX_LIMIT, minimum=1), MAX_LIMIT),
        date_from=date_from,
        date_to=_moment(query, "date_to"),
    )


def _whole(query: Mapping[str, str], name: str, default: int, *, minimum: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    digits = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    if not digits or not minimum <= int(text) <= MAX_OFFSET:
        raise InvalidParameters(f"{name}: must be a whole number of at least {minimum}")
    return int(text)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    # An unencoded + of an offset arrives as a space.
    text = (query.get(name) or "").strip().replace(" ", "+")
    if not text:
        return None
    try:
        return parse(DateTime, text)
    except ShapeError as error:
        raise InvalidParameters(f"{name}: {error.problems[0].reason}") from error
