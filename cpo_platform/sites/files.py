"""Files of what the pages here show: sent row by row, and written down in the audit."""

from collections.abc import Iterable, Sequence

from django.http import StreamingHttpResponse

from cpo_platform.audit import noting
from cpo_platform.common.admin.exporting import Plain, as_csv, counted
from locations.models import Location


def csv_response(
    *, name: str, heads: Sequence[str], rows: Iterable[Sequence[Plain]]
) -> StreamingHttpResponse:
    """Return a CSV file that is sent while it is read."""

    def note(number: int) -> None:
        noting.note_file(Location, f"exported {number} rows as CSV: {name}")

    return StreamingHttpResponse(
        as_csv(heads, counted(rows, note)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
