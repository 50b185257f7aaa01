"""Passwords of stations, as text and as the bytes of their hex."""

from ocpp_gateway import passwords


def test_a_password_is_hex_and_never_the_same() -> None:
    first, second = passwords.generate(), passwords.generate()

    assert first != second
    assert len(bytes.fromhex(first)) == 16


def test_a_station_may_show_the_text_or_the_bytes_of_its_hex() -> None:
    password = "00ff" * 8
    encoded = passwords.make(password)

    assert passwords.matches(password.encode(), encoded)
    assert passwords.matches(bytes.fromhex(password), encoded)
    assert not passwords.matches(b"00ff" * 7, encoded)
    assert not passwords.matches(b"\xff" * 16, encoded)


def test_bytes_that_happen_to_be_text_are_tried_as_hex_too() -> None:
    encoded = passwords.make(b"ordinary letters".hex())

    assert passwords.matches(b"ordinary letters", encoded)


def test_where_there_is_no_password_none_matches() -> None:
    assert not passwords.matches(b"", "")


def test_what_is_stored_fits_its_column_and_tells_nothing() -> None:
    password = passwords.generate()

    assert password not in passwords.make(password)
    assert len(passwords.make(password)) <= 200
