"""The owner of an imported object."""

import re
from typing import NamedTuple

_PARTY = re.compile(r"([A-Za-z]{2})[*-]?([A-Za-z0-9]{3})")


class PartyKey(NamedTuple):
    """A CPO party by its OCPI name: `DE*SLB`."""

    country_code: str
    party_id: str

    @classmethod
    def parse(cls, text: str) -> "PartyKey":
        """Return the party that people write as `DE*SLB`, `DE-SLB` or `DESLB`.

        Raises:
            ValueError: it is none of these.

        """
        match = _PARTY.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a party such as DE*SLB")
        return cls(match[1].upper(), match[2].upper())

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"
