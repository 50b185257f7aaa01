"""The pages of people, and of what groups of people may do."""

from cpo_platform.staff.admin.groups import StaffGroupAdmin
from cpo_platform.staff.admin.people import StaffAdmin

__all__ = ["StaffAdmin", "StaffGroupAdmin"]
