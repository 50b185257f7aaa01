"""Statuses, tokens and the terms of OCPI, as people read them."""

from typing import Any

from django.db.models import TextChoices
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, link_to, pill
from sessions_app.models import Cdr, Session, SessionStatus, TokenType

STATUS_TONES = {
    SessionStatus.ACTIVE: "green",
    SessionStatus.PENDING: "blue",
    SessionStatus.RESERVATION: "blue",
    SessionStatus.COMPLETED: "grey",
    SessionStatus.INVALID: "red",
}


def label_of(choices: type[TextChoices], value: str | None) -> object:
    """Return what people call a value, or the value itself where it is none of ours."""
    return dict(choices.choices).get(value, value) if value else NONE


def session_pill(status: str) -> str:
    """Return a session's status in its colour."""
    known = SessionStatus(status)
    return pill(known.label, STATUS_TONES[known])


def token_facts(row: Session | Cdr) -> list[tuple[Any, object]]:
    """Return what is known of the token of a session or CDR."""
    owner = f"{row.token_country_code}*{row.token_party_id}"
    types = dict(TokenType.choices)
    url = reverse("admin:sessions_app_token_changelist")
    return [
        (_("contract"), row.token_contract_id),
        (_("provider"), owner),
        (_("token"), link_to(f"{url}?q={row.token_uid}", row.token_uid)),
        (_("token type"), types.get(row.token_type, row.token_type)),
    ]
