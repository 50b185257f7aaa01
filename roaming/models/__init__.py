from roaming.models.charging_profiles import ProfileAction, ProfileRequest, ProfileResult
from roaming.models.commands import Command, CommandState
from roaming.models.documents import Document, Quarantined
from roaming.models.feed import Change, Delivery, Feed
from roaming.models.hubs import ClientInfo, ConnectionStatus
from roaming.models.messages import Message, MessageBody
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
    "Endpoint",
    "Feed",
    "Message",
    "MessageBody",
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
