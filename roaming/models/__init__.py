from roaming.models.charging_profiles import ProfileAction, ProfileRequest, ProfileResult
from roaming.models.commands import Command, CommandState
from roaming.models.documents import Document, Quarantined
from roaming.models.drift import Drift, DriftCheck, DriftKind, DriftState
from roaming.models.feed import LANES, Change, Delivery, Feed, Lane, Pace, Walk, WalkReason
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
from roaming.models.refused_calls import RefusedCall, Why
from roaming.models.traffic import TrafficMinute, TrafficTotal

__all__ = [
    "LANES",
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
    "Lane",
    "Message",
    "MessageBody",
    "Pace",
    "Partner",
    "PartnerRole",
    "PartnerStatus",
    "PartnerToken",
    "ProfileAction",
    "ProfileRequest",
    "ProfileResult",
    "Quarantined",
    "RefusedCall",
    "Role",
    "TokenPurpose",
    "TrafficMinute",
    "TrafficTotal",
    "Walk",
    "WalkReason",
    "Why",
]
