"""What a channel is told: the body of a webhook, and an e-mail."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext, override

from cpo_platform.alerting import texts
from cpo_platform.alerting.models import Alert, Event, Incident, Notification, Severity

# So many alerts are named; how many there are is said.
MOST_NAMED = 50


def incident_url(incident: Incident) -> str:
    """Return the address of an incident's page, as people outside reach it."""
    return settings.PUBLIC_URL + reverse("admin:alerting_incident_change", args=[incident.pk])


def alerts_of(incident: Incident) -> list[Alert]:
    """Return the first alerts of an incident, what is still wrong before what is over."""
    rows = Alert.objects.filter(incident=incident).select_related("rule")
    return list(rows.order_by("closed_at", "pk")[:MOST_NAMED])


def webhook_body(notification: Notification, alerts: list[Alert], now: datetime) -> bytes:
    """Return the JSON of a notification, in the language of its channel."""
    with override(notification.channel.language):
        document = {
            "id": str(notification.uid),
            "event": f"incident.{notification.event}",
            "sent_at": now.isoformat(),
            "incident": _incident(notification.incident),
            "alerts": [_alert(one) for one in alerts],
        }
    return _json(document)


def test_body(now: datetime) -> bytes:
    """Return what a webhook gets when its test button is pressed."""
    return _json({"id": f"test-{now.timestamp():.3f}", "event": "test", "sent_at": now.isoformat()})


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _incident(incident: Incident) -> dict[str, Any]:
    location, partner = incident.location, incident.partner
    return {
        "id": incident.pk,
        "url": incident_url(incident),
        "cause": incident.cause,
        "severity": Severity(incident.severity).name,
        "title": texts.incident_title(incident),
        "advice": texts.advice(incident),
        "opened_at": incident.opened_at.isoformat(),
        "closed_at": _moment(incident.closed_at),
        "merged_into": incident.params.get("merged_into"),
        "alerts": incident.alert_count,
        "open_alerts": incident.open_count,
        "acknowledged_by": incident.acknowledged_by or None,
        "note": incident.note or None,
        "location": None
        if location is None
        else {
            "country_code": location.country_code,
            "party_id": location.party_id,
            "id": location.ocpi_id,
            "name": location.name,
            "address": location.address,
            "city": location.city,
        },
        "partner": None if partner is None else partner.name,
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "kind": alert.rule.kind,
        "key": alert.key,
        "text": texts.alert_text(alert),
        "since": alert.since.isoformat(),
        "closed_at": _moment(alert.closed_at),
    }


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def signature(secret: str, body: bytes, now: datetime) -> str:
    """Return the header that shows that a body is ours: HMAC-SHA256 over `<seconds>.<body>`."""
    seconds = int(now.timestamp())
    signed = f"{seconds}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def mail_of(notification: Notification, alerts: list[Alert]) -> tuple[str, str]:
    """Return the subject and the text of an e-mail, in the language of its channel."""
    incident = notification.incident
    with override(notification.channel.language):
        title = texts.incident_title(incident)
        subject = f"[{_tag(notification)}] {title}"
        lines = [
            title,
            "",
            *_facts(incident),
            "",
            *(f"- {texts.alert_text(one)}" for one in alerts),
            *_left_out(incident, alerts),
            "",
            gettext("What to do next: %(advice)s") % {"advice": texts.advice(incident)},
            incident_url(incident),
        ]
    return " ".join(subject.split())[:240], "\n".join(lines)


def _tag(notification: Notification) -> str:
    if notification.event in {Event.OPENED, Event.UPDATED}:
        return str(Severity(notification.incident.severity).label)
    return str(Event(notification.event).label)


def _facts(incident: Incident) -> list[str]:
    facts = [gettext("Since %(at)s UTC") % {"at": f"{incident.opened_at:%Y-%m-%d %H:%M}"}]
    if incident.closed_at is not None:
        facts.append(gettext("Over at %(at)s UTC") % {"at": f"{incident.closed_at:%Y-%m-%d %H:%M}"})
    merged = incident.params.get("merged_into")
    if merged:
        facts.append(gettext("It is a part of incident %(id)s now.") % {"id": merged})
    if incident.location is not None:
        place = incident.location
        facts.append(f"{place.name or place.address}, {place.address}, {place.city}")
    return facts


def _left_out(incident: Incident, alerts: list[Alert]) -> list[str]:
    more = incident.alert_count - len(alerts)
    return [gettext("and %(n)s more") % {"n": more}] if more > 0 else []
