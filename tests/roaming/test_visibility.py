"""No partner sees or changes another partner's data, through any URL."""

import pytest

from sessions_app.models import Cdr, Session, Token
from sessions_app.operations import sessions
from tests.factories import NOW, SessionFactory, TokenFactory, cdr_token
from tests.roaming.conftest import Registered

pytestmark = pytest.mark.django_db

ALL_OF_TIME = "?date_from=2000-01-01T00:00:00Z"


@pytest.fixture
def charged(first: Registered) -> tuple[Session, Cdr, Token]:
    """A finished session of the first partner's token, with its CDR, and that token."""
    token = TokenFactory(uid="04AA-SECRET")
    session = SessionFactory(cdr_token=cdr_token("04AA-SECRET"))
    session, cdr = sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)
    assert cdr is not None
    return session, cdr, token


def test_the_owner_sees_its_own(
    charged: tuple[Session, Cdr, Token], first: Registered, stranger: Registered
) -> None:
    session, cdr, _token = charged

    assert [item["id"] for item in first.call.get(f"sessions{ALL_OF_TIME}").data] == [
        session.ocpi_id
    ]
    assert [item["id"] for item in first.call.get("cdrs").data] == [cdr.ocpi_id]
    for path in (f"sessions{ALL_OF_TIME}", "cdrs"):
        reply = stranger.call.get(path)
        assert reply.data == []
        assert reply.headers["X-Total-Count"] == "0"


def test_a_partner_without_an_emsp_role_sees_no_session(
    charged: tuple[Session, Cdr, Token], first: Registered
) -> None:
    first.partner.roles.update(role="NSP")

    assert first.call.get(f"sessions{ALL_OF_TIME}").data == []
    assert first.call.get("cdrs").data == []
