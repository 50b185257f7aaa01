"""The partners that attack are the ones that other tests use."""

from tests.roaming.conftest import call, first, stranger

__all__ = ["call", "first", "stranger"]
