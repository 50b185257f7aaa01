"""The pages of bulk changes."""

from cpo_platform.bulk.admin.jobs import JobAdmin

__all__ = ["JobAdmin"]
