"""Kept sentences are read in the language of the reader."""

from django.utils import translation

from cpo_platform.common.saying import Saying, say
from cpo_platform.common.telling import tell


def test_a_kept_sentence_is_told_in_the_readers_language() -> None:
    refused = say("The token was refused: %(verdict)s.", verdict="BLOCKED")
    kept = say("%(kwh)s kWh without a bill. %(why)s", kwh="6", why=refused).to_json()

    said = Saying.from_json(kept)

    assert tell(said) == "6 kWh without a bill. The token was refused: BLOCKED."
    assert str(said) == tell(said)
    with translation.override("ja"):
        assert tell(said) == "6 kWh が請求されていません。トークンは拒否されました: BLOCKED。"
        assert str(said).startswith("6 kWh without a bill.")


def test_what_was_kept_before_there_were_values_stays_as_it_is() -> None:
    assert tell(Saying.from_json({"text": "It is 50 % of 7."})) == "It is 50 % of 7."


def test_nothing_said_is_nothing_told() -> None:
    with translation.override("ja"):
        assert tell(Saying("")) == ""
