"""The admin pages of partners, commands and messages; and who was told of what, on every object."""

from roaming.admin.commands import CommandAdmin
from roaming.admin.display import MODULE_LABELS, OBJECT_PAGES, STATUS_TONES, partner_pill
from roaming.admin.drift import DriftCheckAdmin
from roaming.admin.message_log import MessageAdmin
from roaming.admin.panels import OBJECT_MESSAGES_SHOWN
from roaming.admin.partner_forms import ExchangeForm, InviteForm, RegisterForm
from roaming.admin.partner_pages import PartnerAdmin, TroubleFilter
from roaming.admin.partner_panels import MESSAGES_SHOWN
from roaming.admin.profile_requests import ProfileRequestAdmin
from roaming.admin.quarantine import QuarantinedAdmin
from roaming.admin.refused_calls import RefusedCallAdmin
from roaming.admin.stories import register as register_stories

__all__ = [
    "MESSAGES_SHOWN",
    "MODULE_LABELS",
    "OBJECT_MESSAGES_SHOWN",
    "OBJECT_PAGES",
    "STATUS_TONES",
    "CommandAdmin",
    "DriftCheckAdmin",
    "ExchangeForm",
    "InviteForm",
    "MessageAdmin",
    "PartnerAdmin",
    "ProfileRequestAdmin",
    "QuarantinedAdmin",
    "RefusedCallAdmin",
    "RegisterForm",
    "TroubleFilter",
    "partner_pill",
]

register_stories()
