"""Keys are changed: every secret goes under the new one, and none is forgotten."""

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from cpo_platform import secret_columns
from cpo_platform.common import secrets
from cpo_platform.common.secrets import decrypt, encrypt
from roaming.models import Partner

pytestmark = pytest.mark.django_db

# Columns that sound like a secret and need no key, each with the reason.
NO_SECRETS = {
    "account.EmailConfirmation.key": "allauth's; nothing writes it: no address is confirmed",
    "alerting.Alert.key": "it names what is wrong",
    "alerting.Incident.key": "it names a cause",
    "audit.Entry.key": "it names a row",
    "auth.User.password": "a hash",
    "ocpp_gateway.Station.next_password_hash": "a hash",
    "ocpp_gateway.Station.password_hash": "a hash",
    "roaming.Command.token": "what a driver charges with, as it is in every session",
    "roaming.PartnerToken.digest": "a digest",
    "sessions.Session.session_key": "it names a session, which ends",
    "staff.RoleGroup.key": "it names a role",
    "socialaccount.SocialApp.key": "allauth's; the provider is set up by settings",
    "socialaccount.SocialApp.secret": "allauth's; the provider is set up by settings",
    "socialaccount.SocialToken.token": "allauth's; SOCIALACCOUNT_STORE_TOKENS is off",
    "socialaccount.SocialToken.token_secret": "allauth's; SOCIALACCOUNT_STORE_TOKENS is off",
    "usersessions.UserSession.session_key": "it names a session, which ends",
}
SOUNDS = ("password", "secret", "encrypted", "session_key", "credential", "digest")
# A token that one charges with has its parts in columns such as `token_uid`: no secret of ours.
NAMES = {"key", "token"}


def rotate(*options: str) -> str:
    out = StringIO()
    call_command("rotate_secrets", *options, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def rows(settings: Settings) -> tuple[Partner, Authenticator, Authenticator]:
    settings.FIELD_ENCRYPTION_KEYS = ["old"]
    user = User.objects.create_user("anna")
    partner = Partner.objects.create(
        name="P", token_encrypted=encrypt("theirs"), previous_token_encrypted=encrypt("before")
    )
    Partner.objects.create(name="Without a token")
    totp = Authenticator.objects.create(user=user, type="totp", data={"secret": encrypt("t")})
    codes = Authenticator.objects.create(
        user=user, type="recovery_codes", data={"seed": encrypt("s"), "used_mask": 5}
    )
    return partner, totp, codes


def test_everything_goes_under_the_first_key(
    settings: Settings, rows: tuple[Partner, Authenticator, Authenticator]
) -> None:
    partner, totp, codes = rows
    settings.FIELD_ENCRYPTION_KEYS = ["new", "old"]
    with pytest.raises(CommandError, match="4 rows are under another key"):
        rotate("--check")
    assert "roaming.Partner.token_encrypted: 1 encrypted anew" in rotate()
    rotate("--check")
    settings.FIELD_ENCRYPTION_KEYS = ["new"]
    for row in rows:
        row.refresh_from_db()
    assert decrypt(partner.token_encrypted) == "theirs"
    assert decrypt(partner.previous_token_encrypted) == "before"
    assert decrypt(totp.data["secret"]) == "t"
    assert (decrypt(codes.data["seed"]), codes.data["used_mask"]) == ("s", 5)


def test_the_check_names_rows_and_changes_nothing(
    settings: Settings, rows: tuple[Partner, Authenticator, Authenticator]
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = ["new", "old"]
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("rotate_secrets", "--check", stdout=out)
    assert f"Partner.token_encrypted: 1 under another key {rows[0].pk}\n" in out.getvalue()
    before = rows[0].token_encrypted
    rows[0].refresh_from_db()
    assert rows[0].token_encrypted == before


def test_it_goes_on_where_it_was_stopped(
    settings: Settings,
    rows: tuple[Partner, Authenticator, Authenticator],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secret_columns, "ROWS_AT_ONCE", 2)
    for number in range(5):
        Partner.objects.create(name=f"P{number}", token_encrypted=encrypt(f"t{number}"))
    settings.FIELD_ENCRYPTION_KEYS = ["new", "old"]
    column = secret_columns.COLUMNS[0]
    assert next(secret_columns.rotate(column)) == 2
    assert len([*secret_columns.outdated(column)]) == 4
    done = Partner.objects.order_by("pk").values_list("token_encrypted", flat=True)[0]
    rotate()
    assert Partner.objects.order_by("pk").values_list("token_encrypted", flat=True)[0] == done
    rotate("--check")


def test_a_secret_whose_key_is_gone_is_left_and_told(
    settings: Settings, rows: tuple[Partner, Authenticator, Authenticator]
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = ["new"]
    lost = rows[0].token_encrypted
    Partner.objects.create(name="Good", token_encrypted=encrypt("good"))
    with pytest.raises(CommandError, match="4 rows are under a key that"):
        rotate()
    rows[0].refresh_from_db()
    assert rows[0].token_encrypted == lost
    assert not secrets.is_current(lost)


def test_no_column_that_sounds_like_a_secret_was_forgotten() -> None:
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if any(sound in field.name for sound in SOUNDS) or field.name in NAMES
        if field.get_internal_type() in {"CharField", "TextField", "JSONField", "CiStringField"}
    }
    known = {str(column) for column in secret_columns.COLUMNS} | NO_SECRETS.keys()
    assert found - known == set()
