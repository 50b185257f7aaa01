from roaming.models.charging_profiles import ProfileAction, ProfileRequest, ProfileResult
from roaming.models.commands import Command, CommandState
from roaming.models.documents import Document, Quarantined
from roaming.models.drift import Drift, DriftCheck, DriftKind, DriftState
from roaming.models.feed import Change, Delivery, Feed
from roaming.models.hubs import ClientInfo, ConnectionStatus
from roaming.models.messages import Message
from roaming.models.partners import (
    Endpoint,
    Partner,
    PartnerRole,
    PartnerStatus,
    PartnerToken,
    Role,
    TokenPurpose,
)

__all__ = [
    "Change",
    "ClientInfo",
    "Command",
    "CommandState",
    "ConnectionStatus",
    "Delivery",
    "Document",
    "Drift",
    "DriftCheck",
    "DriftKind",
    "DriftState",
    "Endpoint",
    "Feed",
    "Message",
    "Partner",
    "PartnerRole",
    "PartnerStatus",
    "PartnerToken",
    "ProfileAction",
    "ProfileRequest",
    "ProfileResult",
    "Quarantined",
    "Role",
    "TokenPurpose",
]
