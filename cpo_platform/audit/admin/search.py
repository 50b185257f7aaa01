"""What the audit is searched by: a span of time, a name, an object. Each has an index."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from cpo_platform.audit import audited
from cpo_platform.audit.models import Action, Entry, Way
from cpo_platform.audit.naming import kind_of
from cpo_platform.common.admin.searching import SpanSearch, choice_of, moment_of, text_of

# As Django's lists do not take an empty value for a choice.
UNKNOWN = "unknown"


class EntrySearch(SpanSearch):
    """The fields above the list of entries."""

    whole_by = ("who", "number", "same")

    who = text_of(_("Who"), "olga, Example eMSP", longest=150)
    by = choice_of(
        _("Way"),
        [("", _("all")), *((way.value or UNKNOWN, way.label) for way in Way)],
    )
    kind = choice_of(_("Kind of object"))
    number = text_of(_("Its number"), "42")
    did = choice_of(_("What was done"), [("", _("all")), *Action.choices])
    same = text_of(_("Transaction"), "")
    since = moment_of(_("Since (UTC)"))
    until = moment_of(_("Until (UTC)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = sorted((kind_of(one.table), one.table) for one in audited.audited())
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            ("", _("all")),
            *((table, name) for name, table in kinds),
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("number") and not data.get("kind"):
            self.add_error("kind", _("Choose the kind of object that has this number."))
        if data.get("same") and not data["same"].isdigit():
            self.add_error("same", _("This is a number."))
        return data

    def narrow(self, rows: QuerySet[Entry]) -> QuerySet[Entry]:
        data = self.cleaned_data
        for column, wanted in (
            ("actor_name", data["who"].strip()),
            ("action", data["did"]),
            ("transaction_id", data["same"]),
        ):
            if wanted:
                rows = rows.filter(**{column: wanted})
        if data["by"]:
            rows = rows.filter(way="" if data["by"] == UNKNOWN else data["by"])
        if data["number"]:
            # With its parts, as on its own page.
            return rows.filter(objects_changed__contains=[f"{data['kind']}:{data['number']}"])
        return rows.filter(table=data["kind"]) if data["kind"] else rows
