"""An eMSP, a fake CPO, and the two of them registered."""

from collections.abc import Iterator

import pytest

from sandbox.emsp import Emsp, running_emsp
from tests.sandbox.fake_cpo import FakeCpo, running_cpo


@pytest.fixture
def cpo() -> Iterator[FakeCpo]:
    with running_cpo() as running:
        yield running


@pytest.fixture
def emsp() -> Iterator[Emsp]:
    with running_emsp(own_token_a="own-token-a", timeout=5.0) as running:
        yield running


@pytest.fixture
def pair(emsp: Emsp, cpo: FakeCpo) -> tuple[Emsp, FakeCpo]:
    emsp.register(cpo.versions_url, cpo.token_a)
    return emsp, cpo
