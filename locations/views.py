"""The admin's pages for importing a file: choose it, read what would happen, import it."""

import shlex
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminFileFieldWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common import clock
from cpo_platform.common.admin import Panel, scope_of
from locations.importing import (
    Action,
    ImportReport,
    Kind,
    PartyKey,
    UnreadableFile,
    import_locations,
    uploads,
)
from locations.models import Location

MEGABYTE = 1024 * 1024
MAX_UPLOAD = 100 * MEGABYTE
# What a request may take: larger files are imported by the command, which shows its progress.
MAX_IN_REQUEST = 5 * MEGABYTE
PERMISSIONS = ("locations.add_location", "locations.change_location")
TARIFF_PERMISSIONS = ("tariffs.add_tariff", "tariffs.change_tariff")


def import_urls(admin_site: AdminSite) -> list[URLPattern]:
    """Return the pages' addresses, to be included below the locations' `import/`."""
    pages = ImportPages(admin_site)
    return [
        path("", admin_site.admin_view(pages.choose), name="locations_import"),
        path("<str:token>/", admin_site.admin_view(pages.confirm), name="locations_import_confirm"),
    ]


class ImportForm(forms.Form):
    """The file, and the party for files that name none."""

    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".json,application/json"}),
        help_text=_(
            "OCPI locations as JSON, version 2.1.1, 2.2.1 or 2.3.0: a list, or an object with the "
            "list under “data” or “items”. At most 100 MB."
        ),
    )
    party = forms.CharField(
        label=_("Party"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "DE*ABC"}),
        help_text=_(
            "Only needed for OCPI 2.1.1, where locations do not say whose they are. "
            "If you fill it in, locations of other parties are refused."
        ),
    )

    def clean_file(self) -> "UploadedFile[Any]":
        """Refuse what is too large."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        size = file.size or 0
        if size > MAX_UPLOAD:
            raise forms.ValidationError(
                gettext(
                    "This file has %(size)s; at most %(limit)s can be uploaded. Import it on the "
                    "server with: python manage.py import_locations FILE"
                )
                % {"size": filesizeformat(size), "limit": filesizeformat(MAX_UPLOAD)}
            )
        return file

    def clean_party(self) -> str:
        """Bring the party to the form `DE*ABC`."""
        text: str = self.cleaned_data["party"]
        if not text:
            return ""
        try:
            return str(PartyKey.parse(text))
        except ValueError as error:
            raise forms.ValidationError(
                gettext("A party is two letters and three letters or digits: DE*ABC.")
            ) from error


class ImportPages:
    """Three steps: choose a file, read the dry run's report, read the import's report."""

    def __init__(self, admin_site: AdminSite) -> None:
        self._site = admin_site

    def choose(self, request: HttpRequest) -> HttpResponse:
        """Show the form; keep the file that comes in and go on to its dry run."""
        user_id = _permitted(request)
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method != "POST" or not form.is_valid():
            return self._page(request, "import.html", _("Import locations"), form=form)
        uploads.sweep(clock.now())
        file, party = form.cleaned_data["file"], form.cleaned_data["party"]
        token = uploads.keep(user_id, file.chunks())
        if file.size > MAX_IN_REQUEST:
            return self._too_large(request, user_id, token, party)
        query = f"?{urlencode({'party': party})}" if party else ""
        return HttpResponseRedirect(
            reverse(f"{self._site.name}:locations_import_confirm", args=[token]) + query
        )

    def _too_large(
        self, request: HttpRequest, user_id: int, token: str, party: str
    ) -> HttpResponse:
        file = uploads.find(user_id, token)
        option = f" --party {shlex.quote(party)}" if party else ""
        command = f"python manage.py import_locations {shlex.quote(str(file))}{option}"
        return self._page(
            request,
            "import_command.html",
            _("Import on the server"),
            limit=filesizeformat(MAX_IN_REQUEST),
            command=command,
        )

    def confirm(self, request: HttpRequest, token: str) -> HttpResponse:
        """Show what an import would do; with POST do it, or drop the file."""
        user_id = _permitted(request)
        file = uploads.find(user_id, token)
        if file is None:
            messages.error(
                request, gettext("This upload is no longer there. Please choose the file again.")
            )
            return self._back()
        if request.method == "POST" and "cancel" in request.POST:
            uploads.forget(user_id, token)
            messages.info(request, gettext("Nothing was imported; the upload was deleted."))
            return HttpResponseRedirect(self._list_url())
        dry_run = not (request.method == "POST" and "import" in request.POST)
        try:
            party = _party(request)
            with file.open("rb") as stream:
                report = import_locations(
                    stream,
                    party=party,
                    now=clock.now,
                    dry_run=dry_run,
                    writes_tariffs=request.user.has_perms(TARIFF_PERMISSIONS),
                )
        except (UnreadableFile, ValueError) as error:
            uploads.forget(user_id, token)
            messages.error(request, str(error))
            return self._back()
        if dry_run:
            return self._report(request, _("Check the import"), report)
        uploads.forget(user_id, token)
        return self._report(request, _("Import finished"), report)

    def _report(self, request: HttpRequest, title: object, report: ImportReport) -> HttpResponse:
        return self._page(
            request,
            "import_report.html",
            title,
            report=report,
            party=request.POST.get("party") or request.GET.get("party") or "",
            writes=report.total(Action.CREATED) + report.total(Action.CHANGED),
            panels=report_panels(report),
        )

    def _page(
        self, request: HttpRequest, template: str, title: object, **context: Any
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"locations/{template}",
            {
                **self._site.each_context(request),
                "title": title,
                "opts": Location._meta,  # noqa: SLF001  Django's own public name
                "list_url": self._list_url(),
                "import_url": reverse(f"{self._site.name}:locations_import"),
                **context,
            },
        )

    def _list_url(self) -> str:
        return reverse(f"{self._site.name}:locations_location_changelist")

    def _back(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"{self._site.name}:locations_import"))


def _permitted(request: HttpRequest) -> int:
    """Return the user's id; who may not write tariffs imports the rest."""
    if request.user.pk is None or not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    if scope_of(request).locations is not None:
        # What is new would be in none of this person's groups.
        raise PermissionDenied
    return int(request.user.pk)


def _party(request: HttpRequest) -> PartyKey | None:
    """Return the party that a file is for; whoever sees some parties imports for one of them.

    Raises:
        ValueError: it is no party, or none of this person's.

    """
    text = request.POST.get("party") or request.GET.get("party")
    parties = scope_of(request).parties
    if parties is None:
        return PartyKey.parse(text) if text else None
    own = {str(PartyKey.parse(f"{code}*{party}")) for code, party in parties}
    if not text and len(own) == 1:
        (text,) = own
    key = PartyKey.parse(text) if text else None
    if key is None or str(key) not in own:
        names = ", ".join(sorted(own))
        raise ValueError(
            gettext("Say which of your parties this file is for: %(parties)s.") % {"parties": names}
        )
    return key


def report_panels(report: ImportReport) -> list[Panel]:
    """Return a report as the admin shows it: the counts first, refusals before repairs."""
    counts = Panel(
        title=_("Counts"),
        columns=["", *(action.label for action in Action)],
        rows=[
            [kind.label, *(report.counts[kind][action] or "" for action in Action)]
            for kind in Kind
            if report.counts[kind]
        ],
        numeric=frozenset(range(1, len(Action) + 1)),
        empty=_("The file holds no locations."),
    )
    panels = [counts, *_entry_panels(report, Action.REFUSED)]
    if report.mends:
        panels.append(
            Panel(
                title=_("What was mended"),
                note=_("The file is taken as if it had been right. Nothing else was touched."),
                columns=[_("Times"), _("Object"), _("Field"), _("Rule")],
                rows=[[m.times, m.kind.label, m.field, m.rule.label] for m in report.mends],
                numeric=frozenset({0}),
            )
        )
    for action in (Action.CREATED, Action.CHANGED, Action.MENDED):
        panels += _entry_panels(report, action)
    return panels


def _entry_panels(report: ImportReport, action: Action) -> list[Panel]:
    entries = report.entries[action]
    if not entries:
        return []
    omitted = report.omitted(action)
    note = (
        gettext("The first %(shown)d; %(omitted)d more are not shown.")
        % {"shown": len(entries), "omitted": omitted}
        if omitted
        else ""
    )
    has_reason = action in {Action.MENDED, Action.REFUSED}
    return [
        Panel(
            title=action.label,
            note=note,
            columns=[_("Object"), _("Name"), _("Place in the file")]
            + ([_("Reason")] if has_reason else []),
            rows=[
                [entry.kind.label, entry.name, entry.path] + ([entry.reason] if has_reason else [])
                for entry in entries
            ],
        )
    ]
