"""Where staff signs in. Only pages with a template of ours: no sign-up, no e-mail addresses."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.socialaccount import views as socialaccount
from allauth.socialaccount.providers.openid_connect import views as oidc
from django.urls import path, re_path

from cpo_platform.signing_in import views

urlpatterns = [
    path("", views.overview, name="account_overview"),
    path("login/", account.login, name="account_login"),
    path("login/code/", mfa.authenticate, name="mfa_authenticate"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("again/", account.reauthenticate, name="account_reauthenticate"),
    path("again/code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("password/", views.change_password, name="account_change_password"),
    path(
        "password/reset/", views.with_email(account.password_reset), name="account_reset_password"
    ),
    path(
        "password/reset/sent/",
        views.with_email(account.password_reset_done),
        name="account_reset_password_done",
    ),
    re_path(
        r"^password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[0-9A-Za-z-]+)/$",
        views.with_email(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/done/",
        views.with_email(account.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
    # allauth goes back there; it is a part of the overview.
    path("second-factor/", views.overview, name="mfa_index"),
    path("second-factor/new/", totp.activate_totp, name="mfa_activate_totp"),
    path("second-factor/remove/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path(
        "second-factor/codes/",
        recovery_codes.view_recovery_codes,
        name="mfa_view_recovery_codes",
    ),
    path(
        "second-factor/codes/new/",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path("sessions/", views.sessions, name="account_sessions"),
    path("oidc/login/", oidc.login, {"provider_id": "oidc"}, name="openid_connect_login"),
    path(
        "oidc/login/callback/",
        oidc.callback,
        {"provider_id": "oidc"},
        name="openid_connect_callback",
    ),
    path("oidc/cancelled/", socialaccount.login_cancelled, name="socialaccount_login_cancelled"),
    path("oidc/error/", socialaccount.login_error, name="socialaccount_login_error"),
]
