"""Every eMSP is connected here, and asked in vain; what roaming says of it is tested there."""

import pytest
from pytest_django import Settings

from sessions_app.authorization import Allowed, Question, RealtimeAnswer


class Unreachable:
    """eMSPs that are partners of ours and never answer."""

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return True

    def ask(self, question: Question) -> RealtimeAnswer:
        return RealtimeAnswer(Allowed.UNREACHABLE)


@pytest.fixture(autouse=True)
def connected(settings: Settings) -> None:
    settings.REALTIME_AUTHORIZER = f"{__name__}.Unreachable"
