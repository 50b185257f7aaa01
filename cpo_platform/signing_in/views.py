"""Pages of one's own account; those of allauth's are in `urls`."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account import views as account
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.models import Authenticator
from allauth.usersessions.internal.flows.sessions import end_sessions
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from cpo_platform.signing_in import policy
from cpo_platform.signing_in.sessions import sessions_of

OTHERS = "others"


@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """Send to the page for signing in; the admin's own asks for no second factor."""
    onward = get_next_redirect_url(request) or reverse("admin:index")
    user = request.user
    if not user.is_authenticated:
        query = urlencode({REDIRECT_FIELD_NAME: onward})
        return HttpResponseRedirect(f"{reverse('account_login')}?{query}")
    if not (user.is_active and user.is_staff):
        raise PermissionDenied
    return HttpResponseRedirect(onward)


def admin_password_change(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Send to the page that counts how often somebody guesses the old password."""
    return HttpResponseRedirect(reverse("account_change_password"))


@never_cache
@login_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show a person's own account: password, second factor, sessions."""
    user = _user(request)
    kinds = {one.type: one for one in Authenticator.objects.filter(user=user)}
    codes = kinds.get(Authenticator.Type.RECOVERY_CODES)
    context = {
        "title": gettext("My account"),
        "has_second_factor": Authenticator.Type.TOTP in kinds,
        "needs_second_factor": policy.needs_second_factor(user),
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
        "came_by_provider": policy.came_by_provider(request, user),
        "session_count": len(sessions_of(user)),
    }
    return render(request, "signing_in/overview.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Show where a person is signed in; end one of these sessions, or all others."""
    found = sessions_of(_user(request))
    if request.method == "POST":
        which = request.POST.get("session", "")
        ended = [
            one
            for one in found
            if (not one.is_current() if which == OTHERS else str(one.pk) == which)
        ]
        # Signs out by itself whoever ends his own.
        end_sessions(request, ended)
        if request.user.is_authenticated:
            messages.success(request, gettext("Signed out there."))
            return HttpResponseRedirect(reverse("account_sessions"))
        return HttpResponseRedirect(reverse("account_login"))
    context = {"title": gettext("Signed-in devices"), "sessions": found}
    return render(request, "signing_in/sessions.html", context)


@login_required
def change_password(request: HttpRequest) -> HttpResponseBase:
    """Change the password, where there is one: else one signs in by the provider only."""
    if not _user(request).has_usable_password():
        return HttpResponseRedirect(reverse("account_overview"))
    response: HttpResponseBase = account.password_change(request)
    return response


def with_email(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let there be a page only where mails can be sent."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.EMAIL_IS_ON:
            raise Http404
        return view(request, *args, **kwargs)

    return inner


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  `login_required` has seen to it
    return request.user
