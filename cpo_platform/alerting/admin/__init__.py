"""The pages of incidents, rules and channels."""

from cpo_platform.alerting.admin.channels import ChannelAdmin
from cpo_platform.alerting.admin.incidents import IncidentAdmin
from cpo_platform.alerting.admin.rules import RuleAdmin

__all__ = ["ChannelAdmin", "IncidentAdmin", "RuleAdmin"]
