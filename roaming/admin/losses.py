"""What each version cannot say of an object, on the object's own page."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import Panel, register_panel
from locations.models import Location
from roaming.ocpi.losses import losses
from sessions_app.models import Cdr, Session
from tariffs.models import Tariff

LOSSES_SHOWN = 100

_ROWS: dict[str, Callable[[], QuerySet[Any]]] = {
    "locations": Location.objects.complete,
    "tariffs": Tariff.objects.with_elements,
    "sessions": Session.objects.complete,
    "cdrs": Cdr.objects.all,
}


def losses_panel(module: str, _request: HttpRequest, object_id: int) -> Panel:
    """Return what partners of each version do not see of an object."""
    row = _ROWS[module]().filter(pk=object_id).first()
    found = losses(row) if row is not None else []
    return Panel(
        title=_("What older versions cannot say"),
        columns=("OCPI", _("what"), _("what partners of that version see")),
        rows=[(loss.version, loss.what, loss.text) for loss in found[:LOSSES_SHOWN]],
        empty=_("Partners of every version see this as it is."),
        note=_("And %(count)s more.") % {"count": len(found) - LOSSES_SHOWN}
        if len(found) > LOSSES_SHOWN
        else "",
    )


def register_losses() -> None:
    """Add the panel to the pages of all that has one."""
    for module in _ROWS:
        register_panel(module, partial(losses_panel, module))
