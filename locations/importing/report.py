"""What an import did, object by object, in bounded memory."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import models
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.shapes import path_text
from locations.importing.reader import Path

KEPT = 200


class Kind(models.TextChoices):
    """What an entry is about."""

    PARTY = "party", _("Party")
    TARIFF = "tariff", _("Tariff")
    LOCATION = "location", _("Location")
    PARKING = "parking", _("Parking place")
    EVSE = "evse", _("EVSE")
    CONNECTOR = "connector", _("Connector")


class Action(models.TextChoices):
    """What happened to an object. Mended ones were also created, changed or left unchanged."""

    CREATED = "created", _("Created")
    CHANGED = "changed", _("Changed")
    UNCHANGED = "unchanged", _("Unchanged")
    MENDED = "mended", _("Mended")
    REFUSED = "refused", _("Refused")


class Rule(models.TextChoices):
    """How something was mended. The label follows the field's name: “start_time was …”."""

    EMPTY = "empty", _("was empty: left out")
    SPACES = "spaces", _("had spaces around it or unprintable characters in it: cleaned")
    NUMBER_AS_TEXT = "number_as_text", _("was a number instead of text: made it text")
    TEXT_AS_NUMBER = "text_as_number", _("was text instead of a number: read as a number")
    TEXT_AS_FLAG = "text_as_flag", _("was not plain true or false: read as such")
    FRACTION = "fraction", _("had a fraction: rounded down to a whole number")
    ROUNDED = "rounded", _("had more than four decimals: rounded")
    MADE_LIST = "made_list", _("was not a list: made it a list of one")
    ONLY_ENTRY = "only_entry", _("was a list of one: took its only entry")
    EMPTY_LIST = "empty_list", _("was an empty list instead of an object: left out")
    SPELLING = "spelling", _("had another case: took OCPI's spelling")
    LANGUAGE = "language", _("must be two lower-case letters: rewritten")
    CLOCK = "clock", _("must be HH:MM: rewritten")
    LAST_SECOND = "last_second", _("must be HH:MM: …:59 means until the next minute")
    MIDNIGHT = "midnight", _("must be HH:MM: rewritten the end of the day")
    OVERNIGHT = "overnight", _("went over midnight: made two entries, one for each day")
    COORDINATE_PADDED = "coordinate_padded", _("had fewer than six decimals: padded with zeros")
    COORDINATE_ROUNDED = "coordinate_rounded", _("had more than six decimals: rounded")
    COUNTRY = "country", _("must be three letters (ISO 3166-1 alpha-3): replaced")
    TIME_ZONE = "time_zone", _("was missing: took the one of the country")
    STATUS = "status", _("was no OCPI status: took UNKNOWN")
    URL = "url", _("was no web address: left out")
    TAX_INCLUDED = "tax_included", _("was missing: took NO (taxes are added to the prices)")
    PART = "part", _("was wrong: left out")
    TARIFF_UNKNOWN = "tariff_unknown", _("names a tariff that the party does not have: left out")
    TARIFF_REFUSED = "tariff_refused", _("was refused: the EVSE is taken without this tariff")
    TARIFF_OVERLAP = (
        "tariff_overlap",
        _("is a second tariff of one type for the same time: left out"),
    )
    TARIFF_OWNER = "tariff_owner", _("names another party: the location's party owns the tariff")
    PARKING_UNKNOWN = "parking_unknown", _("names a parking place that does not exist: left out")


class Note(NamedTuple):
    """One repair: where in the object, which rule, and from what to what."""

    path: Path
    rule: Rule
    detail: str = ""

    @property
    def field(self) -> str:
        """Return the path without positions: `elements[].restrictions`."""
        text = ""
        for part in self.path:
            text += "[]" if isinstance(part, int) else f".{part}" if text else part
        return text

    @property
    def reason(self) -> str:
        """Return the sentence for people."""
        last = next((part for part in reversed(self.path) if isinstance(part, str)), "")
        text = f"{last} {self.rule.label}".strip()
        return f"{text} ({self.detail})" if self.detail else text


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the report."""

    action: Action
    kind: Kind
    name: str
    path: str
    rule: str = ""
    reason: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the line for a report file; what is empty is left out."""
        values = {
            "action": self.action.value,
            "kind": self.kind.value,
            "name": self.name,
            "path": self.path,
            "rule": self.rule,
            "reason": self.reason,
        }
        return {name: value for name, value in values.items() if value}

    def __str__(self) -> str:
        text = f"{self.kind.label} {self.name}".rstrip()
        where = f" at {self.path}" if self.path else ""
        return f"{text}{where}: {self.reason}" if self.reason else f"{text}{where}"


class MendSummary(NamedTuple):
    """How often one rule mended one field."""

    kind: Kind
    field: str
    rule: Rule
    times: int

    def __str__(self) -> str:
        return f"{self.kind.label} {self.field}: {self.rule.label}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: objects of the file, and EVSEs in them."""

    locations: int
    evses: int
    total: int


class ImportReport:
    """Counts of everything, the first entries of each action, and all of them to `on_entry`."""

    def __init__(
        self,
        *,
        dry_run: bool = False,
        keep: int = KEPT,
        on_entry: Callable[[Entry], None] | None = None,
    ) -> None:
        self.dry_run = dry_run
        self.counts: dict[Kind, Counter[Action]] = {kind: Counter() for kind in Kind}
        self.versions: Counter[str] = Counter()
        self.entries: dict[Action, list[Entry]] = {action: [] for action in Action}
        self._mends: Counter[tuple[Kind, str, Rule]] = Counter()
        self._written: Counter[Action] = Counter()
        self._keep = keep
        self._on_entry = on_entry

    def add(
        self, action: Action, kind: Kind, name: str, path: Path, *, rule: str = "", reason: str = ""
    ) -> None:
        """Count an object and write its line."""
        self.counts[kind][action] += 1
        self._write(Entry(action, kind, name, path_text(path), rule, reason))

    def mended(self, kind: Kind, name: str, path: Path, notes: Iterable[Note]) -> None:
        """Count an object as mended, if there are notes, and write one line for each."""
        notes = list(notes)
        if not notes:
            return
        self.counts[kind][Action.MENDED] += 1
        for note in notes:
            self._mends[kind, note.field, note.rule] += 1
            where = path_text((*path, *note.path))
            self._write(Entry(Action.MENDED, kind, name, where, note.rule.value, note.reason))

    def _write(self, entry: Entry) -> None:
        self._written[entry.action] += 1
        kept = self.entries[entry.action]
        if len(kept) < self._keep:
            kept.append(entry)
        if self._on_entry is not None:
            self._on_entry(entry)

    def total(self, action: Action) -> int:
        """Return how many objects of any kind this happened to."""
        return sum(counts[action] for counts in self.counts.values())

    def omitted(self, action: Action) -> int:
        """Return how many lines of this action are not among `entries`."""
        return self._written[action] - len(self.entries[action])

    @property
    def refused(self) -> int:
        """Return how many objects were refused."""
        return self.total(Action.REFUSED)

    @property
    def mends(self) -> list[MendSummary]:
        """Return every rule that mended something, the most frequent first."""
        return [MendSummary(*key, count) for key, count in self._mends.most_common()]

    def to_json(self) -> dict[str, Any]:
        """Return the summary for a report file."""
        return {
            "dry_run": self.dry_run,
            "versions": dict(self.versions),
            "counts": {
                kind.value: {action.value: counts[action] for action in Action if counts[action]}
                for kind, counts in self.counts.items()
                if counts
            },
            "mends": [
                {"kind": m.kind.value, "field": m.field, "rule": m.rule.value, "count": m.times}
                for m in self.mends
            ],
        }
