"""The tariff check of one tariff: on its page, and for whoever has just saved it."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import Button, Panel, Warned, pill, visible
from tariffs.admin.findings import TONES, stored_findings
from tariffs.checking import Remark
from tariffs.models import Tariff
from tariffs.pricing.linting import Severity, severity_name

# The panel's name in addresses.
CHECK = "check"


def check_panels(request: HttpRequest, tariff_id: int) -> list[Panel]:
    """Return what is to be said of a tariff as it is stored; no panel where that is nothing."""
    remarks = _remarks(request, tariff_id)
    if not remarks:
        return []
    return [
        Panel(
            title=_("Tariff check"),
            anchor=CHECK,
            columns=(_("severity"), _("what")),
            rows=[
                (pill(severity_name(one.severity, gettext), TONES[one.severity]), one.text)
                for one in remarks
            ],
            buttons=[Button(_("Check all tariffs"), reverse("admin:tariffs_tariff_check"))],
        )
    ]


def check_warnings(request: HttpRequest, tariff_id: int) -> list[Warned]:
    """Return what is to be said of a tariff, the worst first."""
    return [
        Warned(one.text, is_hint=one.severity is Severity.HINT)
        for one in _remarks(request, tariff_id)
    ]


def _remarks(request: HttpRequest, tariff_id: int) -> list[Remark]:
    rows = visible(request, Tariff.objects.all()).filter(pk=tariff_id).with_elements()
    return stored_findings(request, list(rows), clock.now()).get(tariff_id, [])
