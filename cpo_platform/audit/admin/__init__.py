"""The pages of the audit: its list, an entry, and the history of any object."""

from cpo_platform.audit.admin.entries import EntryAdmin

__all__ = ["EntryAdmin"]
