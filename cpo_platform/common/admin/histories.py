"""What an object was like before: the page is an app's above (`register_history`)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse

HistoryPage = Callable[[ModelAdmin[Any], HttpRequest, str], HttpResponse]
HistoryUrl = Callable[[ModelAdmin[Any], HttpRequest, Any], str]
Note = Callable[[ModelAdmin[Any], HttpRequest, Any, str], None]
_PAGES: list[tuple[HistoryPage, HistoryUrl, Note]] = []

if TYPE_CHECKING:

    class _Base(ModelAdmin[Any]): ...

else:
    _Base = object


def register_history(page: HistoryPage, url: HistoryUrl, note: Note) -> None:
    """Have the history of every object shown by `page(admin, request, key)`.

    `url(admin, request, row)` is where, or "" where the person is not to be led there;
    `note(admin, request, row, sentence)` writes down what was done with an object; with None for a
    row, what was done with the list.
    """
    _PAGES[:] = [(page, url, note)]


class WithHistory(_Base):
    """Mixed into admin classes: their history is the audit's, and Django's own log is not written.

    The audit has what was changed already, and by whom.
    """

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return the address of an object's history; "" for none."""
        return _PAGES[0][1](self, request, obj) if _PAGES and obj is not None else ""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        return _PAGES[0][0](self, request, object_id)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        context["history_url"] = self.history_url(request, kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note what was done, where it is a sentence; Django's list of fields is known already."""
        if _PAGES and isinstance(message, str):
            _PAGES[0][2](self, request, obj, message)

    def note_of_list(self, request: HttpRequest, sentence: str) -> None:
        """Note what was done with rows of the list as a whole: who took them away, and how many."""
        if _PAGES:
            _PAGES[0][2](self, request, None, sentence)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Write nothing."""
