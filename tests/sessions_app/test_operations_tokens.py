"""What tokens that eMSPs give us promise."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import ShapeError, parse
from sessions_app.models import Token
from sessions_app.operations import tokens
from sessions_app.shapes import TokenShape
from tests.factories import NOW, TokenFactory

pytestmark = pytest.mark.django_db

LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


def document(**changes: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "EMS",
        "uid": "04AA",
        "type": "RFID",
        "contract_id": "NL-EMS-C1",
        "visual_number": "12 34",
        "issuer": "An eMSP",
        "group_id": "FLEET",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": NOW,
        **changes,
    }


def put(**changes: Any) -> tuple[Token, Outcome]:
    return tokens.put_token(token=parse(TokenShape, document(**changes)))


def patch(**changes: Any) -> tuple[Token, Outcome]:
    return tokens.patch_token(
        country_code="NL", party_id="EMS", uid="04AA", type="RFID", changes=changes
    )


def test_put_stores_the_token_as_its_owner_has_it() -> None:
    token, outcome = put(energy_contract={"supplier_name": "Green"}, loyalty={"level": 3})

    assert outcome is Outcome.CREATED
    token.refresh_from_db()
    assert tokens.token_document(token) == document(
        energy_contract={"supplier_name": "Green"}, loyalty={"level": 3}
    )
    assert token.unknown_fields == {"loyalty": {"level": 3}}
    assert token.last_updated == NOW


def test_put_replaces_everything_but_the_identity() -> None:
    put(loyalty={"level": 3})

    token, outcome = put(
        uid="04aa", group_id=None, visual_number=None, valid=False, last_updated=LATER
    )

    assert outcome is Outcome.CHANGED
    token.refresh_from_db()
    assert (token.uid, token.group_id, token.visual_number) == ("04AA", "", "")
    assert (token.valid, token.unknown_fields, token.last_updated) == (False, {}, LATER)
    assert Token.objects.count() == 1


def test_same_token_again_is_unchanged() -> None:
    put()

    assert put()[1] is Outcome.UNCHANGED


def test_push_that_was_overtaken_is_left_alone() -> None:
    put()

    token, outcome = put(valid=False, last_updated=EARLIER)

    assert outcome is Outcome.UNCHANGED
    token.refresh_from_db()
    assert (token.valid, token.last_updated) == (True, NOW)


def test_one_uid_may_come_from_two_emsps_and_in_two_types() -> None:
    put()

    assert put(party_id="OTH")[1] is Outcome.CREATED
    assert put(type="APP_USER")[1] is Outcome.CREATED
    assert Token.objects.filter(uid="04aa").count() == 3


def test_patch_changes_what_it_names_and_leaves_the_rest() -> None:
    put()

    token, outcome = patch(valid=False, last_updated=LATER)

    assert outcome is Outcome.CHANGED
    token.refresh_from_db()
    assert tokens.token_document(token) == document(valid=False, last_updated=LATER)


def test_patch_with_null_clears_an_optional_field() -> None:
    put()

    token, _outcome = patch(group_id=None, last_updated=LATER)

    token.refresh_from_db()
    assert token.group_id == ""


def test_patch_of_an_unknown_token_is_refused() -> None:
    with pytest.raises(tokens.UnknownToken, match="04AA"):
        patch(valid=False)

    assert Token.objects.count() == 0


def test_patch_that_breaks_a_rule_changes_nothing() -> None:
    put()

    with pytest.raises(ShapeError, match="whitelist"):
        patch(valid=False, whitelist="SOMETIMES", last_updated=LATER)

    assert tokens.token_document(Token.objects.get()) == document()


def test_patch_cannot_reach_another_token() -> None:
    put()
    other = TokenFactory(uid="OTHER")

    patch(uid="OTHER", party_id="OTH", type="APP_USER", valid=False, last_updated=LATER)

    other.refresh_from_db()
    assert other.valid
    changed = Token.objects.get(uid="04AA")
    assert (changed.party_id, changed.type, changed.valid) == ("EMS", "RFID", False)
    assert Token.objects.count() == 2


def test_number_of_unknown_fields_is_bounded() -> None:
    token, _outcome = put(**{f"field_{number}": number for number in range(80)})

    assert len(token.unknown_fields) == tokens.MAX_UNKNOWN_FIELDS


@pytest.mark.django_db(transaction=True)
def test_two_first_pushes_at_once_make_one_token() -> None:
    barrier = Barrier(2)

    def push(issuer: str) -> Outcome:
        try:
            barrier.wait(timeout=10)
            return put(issuer=issuer)[1]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = set(pool.map(push, ["One", "Two"]))

    assert outcomes == {Outcome.CREATED, Outcome.CHANGED}
    assert Token.objects.count() == 1
