from roaming.models.charging_profiles import ProfileAction, ProfileRequest, ProfileResult
from roaming.models.commands import Command, CommandState
from roaming.models.documents import Document, Quarantined
from roaming.models.feed import LANES, Change, Delivery, Feed, Lane, Pace, Walk, WalkReason
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
    "LANES",
    "Change",
    "ClientInfo",
    "Command",
    "CommandState",
    "ConnectionStatus",
    "Delivery",
    "Document",
    "Endpoint",
    "Feed",
    "Lane",
    "Message",
    "Pace",
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
    "Walk",
    "WalkReason",
]
