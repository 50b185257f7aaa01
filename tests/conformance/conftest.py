"""The partners of the OCPI tests are partners here as well."""

from tests.roaming.conftest import call, first, stranger

__all__ = ["call", "first", "stranger"]
