"""What an administrator can do about another's signing in: two buttons of the user's page.

`Signing` is mixed into the admin class of users, whichever that is.
"""

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action  # type: ignore[import-untyped]

from cpo_platform.signing_in import sessions

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    class _Base(ModelAdmin[User]): ...

else:
    _Base = object


# Their pages show keys of sessions and secrets, and change them past every rule here.
for _model in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(_model)


class Signing(_Base):
    """Take a second factor away, and end sessions."""

    actions_detail: Any = ["remove_second_factor", "end_sessions"]

    @action(  # type: ignore[untyped-decorator]
        description=_("Remove the second factor…"),
        url_path="remove-second-factor",
        permissions=["signing"],
    )
    def remove_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and do it."""
        user = self._other(request, object_id)
        if request.method == "POST":
            sessions.remove_second_factor(user)
            return self._done(
                request, user, gettext("%(user)s has no second factor any more.") % {"user": user}
            )
        return self._ask(
            request,
            user,
            gettext("Remove the second factor of %(user)s?") % {"user": user},
            gettext(
                "The app and the recovery codes are good no more, and all sessions end. Make sure "
                "that it is %(user)s who asks for it: from then on a password is enough to sign in."
            )
            % {"user": user},
            gettext("Remove the second factor"),
        )

    @action(  # type: ignore[untyped-decorator]
        description=_("End the sessions…"), url_path="end-sessions", permissions=["signing"]
    )
    def end_sessions(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and do it."""
        user = self._other(request, object_id)
        if request.method == "POST":
            count = sessions.end_all(user)
            text = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", count)
            return self._done(request, user, text % {"count": count})
        return self._ask(
            request,
            user,
            gettext("Sign %(user)s out everywhere?") % {"user": user},
            gettext("What is being written in a form there is lost. The password stays good."),
            gettext("End the sessions"),
        )

    def has_signing_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Let who may change users do it."""
        return bool(request.user.has_perm("auth.change_user"))

    def _other(self, request: HttpRequest, object_id: str) -> User:
        """Return the person it is about.

        Raises:
            Http404: there is none that this administrator sees.
            PermissionDenied: a superuser is none of the business of who is not one.

        """
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user) or (
            user.is_superuser and not request.user.is_superuser
        ):
            raise PermissionDenied
        return user

    def _done(self, request: HttpRequest, user: User, text: str) -> HttpResponse:
        self.log_change(request, user, text)
        messages.success(request, text)
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[user.pk]))

    def _ask(
        self, request: HttpRequest, user: User, title: str, sentence: str, button: str
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": user,
            "title": title,
            "media": self.media,
            "sentences": [sentence],
            "button": button,
            "danger": True,
            "cancel_url": reverse("admin:auth_user_change", args=[user.pk]),
        }
        return TemplateResponse(request, "admin/cpo/confirm.html", context)
