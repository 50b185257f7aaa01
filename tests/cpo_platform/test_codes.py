"""What we know of single countries and currencies is about countries and currencies there are."""

from cpo_platform.common import money
from locations import countries


def test_what_is_known_of_a_country_is_of_one_that_there_is() -> None:
    assert len(countries.CODES) == 250  # 249 of ISO 3166-1, and Kosovo
    known = {*countries.ALPHA_3.values(), *countries.TIME_ZONES}
    assert known - countries.CODES == set()


def test_what_is_known_of_a_currency_is_of_one_that_there_is() -> None:
    assert set(money._CURRENCY_PLACES) - money.CURRENCIES == set()
