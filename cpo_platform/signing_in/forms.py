"""allauth's forms in the admin's look."""

from typing import TYPE_CHECKING, Any

from allauth.account import forms as account
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp
from django.utils.translation import gettext_lazy as _
from unfold.widgets import INPUT_CLASSES  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from django.forms import Form as _Form
else:
    _Form = object


class _Look(_Form):
    """Fields as the admin has them: labels instead of placeholders, the first one in focus."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number, field in enumerate(self.fields.values()):
            attrs = field.widget.attrs
            attrs["class"] = " ".join(INPUT_CLASSES)
            attrs.pop("placeholder", None)
            if number == 0:
                attrs["autofocus"] = True
            if attrs.get("autocomplete") == "current-password":
                # It would be a link to a page that there is with e-mail only.
                field.help_text = ""


class LoginForm(_Look, account.LoginForm):
    """A user and a password."""


class ReauthenticateForm(_Look, account.ReauthenticateForm):
    """The password, once more."""


class ChangePasswordForm(_Look, account.ChangePasswordForm):
    """The old password, and a new one twice."""


class ResetPasswordForm(_Look, account.ResetPasswordForm):
    """An e-mail address."""


class ResetPasswordKeyForm(_Look, account.ResetPasswordKeyForm):
    """A new password twice."""


class _Code(_Look):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = _("Code")
        self.fields["code"].widget.attrs |= {"inputmode": "numeric", "spellcheck": "false"}


class AuthenticateForm(_Code, mfa.AuthenticateForm):
    """A code of the app, or a recovery code."""


class ReauthenticateByCodeForm(_Code, mfa.ReauthenticateForm):
    """A code, once more."""


class ActivateTotpForm(_Code, totp.ActivateTOTPForm):
    """The first code of the app."""
