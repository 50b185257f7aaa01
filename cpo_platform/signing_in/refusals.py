"""Pages that say no: what Django would show as a line without a way back."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  Django's own signature
    """Say that a person's role does not allow this, and lead back."""
    return _refused(request, "403.html")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  Django's own signature
    """Say what to do about a form that was not sent from one of our pages of now."""
    return _refused(request, "403_csrf.html")


def _refused(request: HttpRequest, template: str) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(request, template, admin.site.each_context(request), status=403)
