from roaming.models.commands import Command, CommandState
from roaming.models.documents import Document
from roaming.models.feed import Change, Delivery, Feed
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
    "Command",
    "CommandState",
    "Delivery",
    "Document",
    "Endpoint",
    "Feed",
    "Message",
    "Partner",
    "PartnerRole",
    "PartnerStatus",
    "PartnerToken",
    "Role",
    "TokenPurpose",
]
