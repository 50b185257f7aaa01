"""Rules, alerts and incidents, channels and what they were sent."""

from cpo_platform.alerting.models.channels import (
    Channel,
    ChannelKind,
    Event,
    Notification,
    NotificationState,
)
from cpo_platform.alerting.models.incidents import Alert, Cause, Incident
from cpo_platform.alerting.models.rules import Kind, Rule, Severity

__all__ = [
    "Alert",
    "Cause",
    "Channel",
    "ChannelKind",
    "Event",
    "Incident",
    "Kind",
    "Notification",
    "NotificationState",
    "Rule",
    "Severity",
]
