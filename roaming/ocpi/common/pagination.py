"""Pages of lists: `offset`, `limit`, `date_from`, `date_to` (OCPI, transport_and_format).

A `Link` of ours carries a cursor beside them, `after`: the last object of the page that it leads on
from. An object that vanishes meanwhile moves every offset, and would hide another one; it does not
move what comes after an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import DateTime, ShapeError, parse
from roaming.ocpi.common.errors import InvalidParameters

MAX_LIMIT = 100
MAX_OFFSET = 2**31
MAX_CURSOR = 2**63 - 1
MAX_DIGITS = 20


@dataclass(frozen=True)
class PageRequest:
    """What a partner asked for: `date_from` inclusive, `date_to` exclusive.

    `limit` is never above `most`, our maximum. `after` is the cursor of a link of ours: where it is
    given, `offset` only tells how far the partner is.
    """

    offset: int
    limit: int
    date_from: datetime | None
    date_to: datetime | None
    after: int | None = None
    most: int = MAX_LIMIT

    def headers(self, *, url: str, total: int, following: int | None) -> dict[str, str]:
        """Return X-Total-Count, X-Limit (our maximum) and, but for the last page, Link.

        `following` is the last object of this page, if there is one after it.
        """
        headers = {"X-Total-Count": str(total), "X-Limit": str(self.most)}
        if following is not None:
            query = {"offset": self.offset + self.limit, "limit": self.limit}
            encoded = urlencode(query | self._dates() | {"after": following})
            headers["Link"] = f'<{url}?{encoded}>; rel="next"'
        return headers

    def _dates(self) -> dict[str, str]:
        return {
            name: format_datetime(moment)
            for name, moment in (("date_from", self.date_from), ("date_to", self.date_to))
            if moment is not None
        }


def read_page(
    query: Mapping[str, str], *, date_from_required: bool = False, most: int | None = None
) -> PageRequest:
    """Return what a list request asks for; a limit above ours (`most`) is lowered to ours.

    Raises:
        InvalidParameters: a parameter breaks a rule, or `date_from` is required and missing.

    """
    most = most or MAX_LIMIT
    date_from = _moment(query, "date_from")
    if date_from is None and date_from_required:
        raise InvalidParameters("date_from: is required")
    return PageRequest(
        offset=_whole(query, "offset", 0, minimum=0, maximum=MAX_OFFSET),
        limit=min(_whole(query, "limit", most, minimum=1, maximum=MAX_OFFSET), most),
        date_from=date_from,
        date_to=_moment(query, "date_to"),
        after=_whole(query, "after", 0, minimum=0, maximum=MAX_CURSOR)
        if "after" in query
        else None,
        most=most,
    )


def _whole(query: Mapping[str, str], name: str, default: int, *, minimum: int, maximum: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    digits = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    if not digits or not minimum <= int(text) <= maximum:
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
