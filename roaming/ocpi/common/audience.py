"""For whom an object is rendered: most read the same text, some have tariffs of their own."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from tariffs.models import Tariff


@dataclass(frozen=True)
class Audience:
    """Who reads, and when: `own_tariffs` are the ids of tariffs that are not for every partner.

    `now` decides which tariff a version names that has room for one only (OCPI 2.1.1).
    """

    now: datetime
    own_tariffs: frozenset[int] = frozenset()

    @property
    def key(self) -> str:
        """What renderings are kept apart by; empty for everybody who has no tariff of his own."""
        if not self.own_tariffs:
            return ""
        ids = ",".join(str(number) for number in sorted(self.own_tariffs))
        return hashlib.sha256(ids.encode()).hexdigest()[:16]

    def sees(self, tariff: Tariff) -> bool:
        return tariff.public or tariff.pk in self.own_tariffs
