"""Pages of the parts of a location: added from its page, and back to it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from cpo_platform.common.admin import OperationAdmin, change_url, visible
from locations.models import Location


class PartAdmin(OperationAdmin):
    """A part of a location; the address of a new one names the location: `?location=7`."""

    # What is said where no location is named, and where on its page the parts stand.
    how_to_add: Any = ""
    anchor = ""

    def saved_text(self, obj: Any) -> str:
        """Return what is said once a part is saved."""
        raise NotImplementedError

    def location_of(self, request: HttpRequest, obj: Any) -> Location | None:
        """Return the location of a part, or the one that the address of a new part names."""
        if obj is not None:
            location: Location = obj.location
            return location
        value = request.GET.get("location", "")
        if not (value.isascii() and value.isdecimal() and len(value) < 19):
            return None
        return visible(request, Location.objects.filter(pk=value)).first()

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if self.location_of(request, None) is None:
            messages.info(request, str(self.how_to_add))
            return HttpResponseRedirect(reverse("admin:locations_location_changelist"))
        return super().add_view(request, form_url, extra_context)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002  Django's signature
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"location": self.location_of(request, obj)})

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        return self._next_page(request, obj) or super().response_add(
            request, obj, post_url_continue
        )

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._next_page(request, obj) or super().response_change(request, obj)

    def _next_page(self, request: HttpRequest, obj: Any) -> HttpResponse | None:
        """Return to the location, or add another part there."""
        if "_continue" in request.POST:
            return None
        messages.success(request, self.saved_text(obj))
        if "_addanother" in request.POST:
            url = reverse(f"admin:locations_{self.opts.model_name}_add")
            return HttpResponseRedirect(f"{url}?location={obj.location_id}")
        return HttpResponseRedirect(f"{change_url(obj.location)}{self.anchor}")
