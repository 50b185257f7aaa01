"""Sentences that are kept, and read later in the language of whoever reads them then.

What is kept is the English sentence with its gaps, and what stands in them:
`say("It fell to %(kwh)s kWh.", kwh=str(kwh))`. `telling` puts it into the reader's language, `str`
into English.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Saying:
    """An English sentence with its gaps, and their values: text, or a sentence of its own."""

    text: str
    values: "tuple[tuple[str, str | Saying], ...]" = ()

    def __str__(self) -> str:
        """Return the sentence in English, for logs and whoever is not staff."""
        return self.text % dict(self.values) if self.values else self.text

    def filled(self, **values: "str | Saying") -> Self:
        """Return a sentence whose gaps are still empty with what is to stand in them."""
        return type(self)(self.text, tuple(values.items()))

    def to_json(self) -> dict[str, Any]:
        """Return `{"text": ..., "values": {...}}`; a sentence among the values looks the same."""
        return {"text": self.text, "values": self.values_to_json()}

    def values_to_json(self) -> dict[str, Any]:
        return {
            name: value.to_json() if isinstance(value, Saying) else value
            for name, value in self.values
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_json` made; what was kept before there were values has none."""
        values = document.get("values") or {}
        return cls(
            document["text"],
            tuple(
                (name, cls.from_json(value) if isinstance(value, Mapping) else value)
                for name, value in values.items()
            ),
        )


def say(text: str, /, **values: str | Saying) -> Saying:
    """Return a sentence to keep; `text` is written out, so that it is found to be translated."""
    return Saying(text, tuple(values.items()))
