"""The partners of the OCPI tests are partners here as well; and which test shows which rule."""

import pytest

from tests.conformance import collecting
from tests.conformance.collecting import Shown
from tests.roaming.conftest import call, first, stranger

__all__ = ["call", "first", "stranger"]

SHOWN = pytest.StashKey[Shown]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remember what a run of all tests has collected anyhow, before others select from it."""
    if collecting.whole(config):
        config.stash[SHOWN] = collecting.shown_by(items)


@pytest.fixture(scope="session")
def shown(pytestconfig: pytest.Config) -> Shown:
    """Which test shows which rule: of all tests, whatever this run selected."""
    if SHOWN in pytestconfig.stash:
        return pytestconfig.stash[SHOWN]
    return collecting.collect()
