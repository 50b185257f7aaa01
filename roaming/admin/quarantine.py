"""Objects that a version cannot be served: the list, the reasons, and another look at them."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cpo_platform.common import clock
from cpo_platform.common.admin import Panel, RecordAdmin, Way, link, moment, register_panel
from cpo_platform.common.admin.reasons import problem_in_words
from roaming.admin.display import MODULE_LABELS, OBJECT_PAGES, object_link
from roaming.models import Quarantined
from roaming.ocpi import documents

PROBLEMS_SHOWN = 100


@admin.register(Quarantined)
class QuarantinedAdmin(RecordAdmin):
    """What is held back from partners of a version, and why."""

    scope = Way(hidden="it is of objects of every party, by their number only")
    list_display = ("since", "kind", "object_page", "version_number", "first_problem")
    list_display_links = ("since",)
    list_filter = ("module", "version")
    ordering = ("-found_at", "-id")
    actions = ("check_again",)
    empty_text = _("Every object can be served in every version that was asked for.")

    def panels(self, request: HttpRequest, obj: Quarantined) -> list[Panel]:
        return [
            Panel(
                title=_("Held back"),
                facts=[
                    (_("object"), object_link(obj.module, obj.object_id)),
                    (_("OCPI version"), number_of(obj)),
                    (_("since (UTC)"), moment(obj.found_at)),
                    (_("as of (UTC)"), moment(obj.last_updated)),
                ],
                note=_(
                    "Partners of this version neither pull it nor are sent it. It is served again "
                    "as soon as a change of it makes it right."
                ),
            ),
            Panel(
                title=_("What is wrong"),
                columns=(_("problem"),),
                rows=[(problem_in_words(problem),) for problem in obj.problems],
            ),
        ]

    @admin.action(description=_("Check again"), permissions=["view"])
    def check_again(self, request: HttpRequest, queryset: Any) -> None:
        chosen = list(queryset)
        sound = documents.judge_again(chosen, now=clock.now())
        text = ngettext(
            "%(sound)d of %(count)d object is served again.",
            "%(sound)d of %(count)d objects are served again.",
            len(chosen),
        )
        level = messages.SUCCESS if sound == len(chosen) else messages.WARNING
        self.message_user(request, text % {"sound": sound, "count": len(chosen)}, level)

    @admin.display(description=_("since (UTC)"), ordering="found_at")
    def since(self, row: Quarantined) -> str:
        return moment(row.found_at)

    @admin.display(description=_("module"), ordering="module")
    def kind(self, row: Quarantined) -> object:
        return MODULE_LABELS.get(row.module, row.module)

    @admin.display(description=_("object"))
    def object_page(self, row: Quarantined) -> str:
        return object_link(row.module, row.object_id)

    @admin.display(description=_("OCPI version"), ordering="version")
    def version_number(self, row: Quarantined) -> str:
        return number_of(row)

    @admin.display(description=_("problems"))
    def first_problem(self, row: Quarantined) -> str:
        first = problem_in_words(row.problems[0]) if row.problems else ""
        more = len(row.problems) - 1
        return f"{first} (+{more})" if more > 0 else first


def number_of(row: Quarantined) -> str:
    """Return the version's number: `2.2.1` of the rendering `2.2.1/3`."""
    return row.version.partition("/")[0]


def quarantine_panel(module: str, _request: HttpRequest, object_id: int) -> Panel:
    """Say on an object's own page which versions it is held back from."""
    rows = Quarantined.objects.filter(module=module, object_id=object_id).order_by("version")
    return Panel(
        title=_("Held back from partners"),
        columns=(_("OCPI version"), _("since (UTC)"), _("problem")),
        rows=[
            (link(row, number_of(row)), moment(row.found_at), problem_in_words(problem))
            for row in rows[:PROBLEMS_SHOWN]
            for problem in row.problems
        ],
        empty=_("It is held back from nobody."),
    )


for _module in OBJECT_PAGES:
    register_panel(_module, partial(quarantine_panel, _module), needs="roaming.view_quarantined")
