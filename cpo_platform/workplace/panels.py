"""What the workplace adds to pages of the apps below it."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import Button, Panel


def map_panel(_request: HttpRequest, location_id: int) -> Panel:
    """Return the way from a location to its place on the map."""
    url = f"{reverse('workplace:map')}?location={location_id}"
    return Panel(title=_("Map"), buttons=[Button(_("Show on the map"), url)])
