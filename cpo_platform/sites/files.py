"""Files of what the pages here show: sent row by row, and written down in the audit."""

from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse
from django.utils import translation

from cpo_platform.audit import noting
from cpo_platform.common import acting
from cpo_platform.common.acting import Actor
from cpo_platform.common.admin.exporting import Plain, as_csv
from locations.models import Location


def csv_response(
    *, name: str, heads: Sequence[str], rows: Iterable[Sequence[Plain]]
) -> StreamingHttpResponse:
    """Return a CSV file that is sent while it is read."""
    return StreamingHttpResponse(
        as_csv(heads, _noted(name, rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _noted(name: str, rows: Iterable[Sequence[Plain]]) -> Iterator[Sequence[Plain]]:
    """Yield the rows; write down who took how many, also where the reader goes away.

    They are read when the request is over: who acts, and the language, are those of the request.
    """
    actor, language = acting.current() or Actor(), translation.get_language()
    number = 0
    translation.activate(language or "en")
    try:
        for number, row in enumerate(rows, start=1):  # noqa: B007  the last one counts
            yield row
    finally:
        with acting.as_found(lambda: actor):
            noting.note_file(Location, f"exported {number} rows as CSV: {name}")
