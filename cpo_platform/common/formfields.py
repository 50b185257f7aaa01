"""Form fields for OCPI's structured values: people write lines of text, never JSON.

Every field turns lines into the plain form of a shape and back; `text_of(value_of(text))` says the
same as `text`. Errors name the line.
"""

import re
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.choices import BaseChoiceIterator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import parse_datetime

Item = dict[str, Any]

_EXAMPLE = "2026-12-24 08:00 \N{EN DASH} 2026-12-24 12:00"
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SIZE = re.compile(r"(\d{1,5})[x\N{MULTIPLICATION SIGN}](\d{1,5})", re.ASCII)
# Whole hours need no minutes; the dashes and waves that people write between two times.
_HOURS = re.compile(
    r"(\d{1,2})(?::(\d{2}))?\s*[-~\N{EN DASH}\N{EM DASH}\N{WAVE DASH}]\s*(\d{1,2})(?::(\d{2}))?",
    re.ASCII,
)


class LinesField(forms.CharField):
    """Read one item per line; `read` and `write` translate a line and an item."""

    def __init__(
        self,
        *,
        read: Callable[[str], Any],
        write: Callable[[Any], str],
        rows: int = 2,
        **kwargs: Any,
    ) -> None:
        self.read, self.write = read, write
        kwargs.setdefault("required", False)
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": rows}))
        super().__init__(strip=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) or value is None:
            return value
        return "\n".join(self.write(item) for item in value)

    def clean(self, value: Any) -> Any:
        items, errors = [], []
        for number, line in enumerate(str(super().clean(value) or "").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                items.append(self.read(line.strip()))
            except ValueError as error:
                errors.append(
                    gettext("Line %(number)s: %(reason)s") % {"number": number, "reason": error}
                )
        if errors:
            raise ValidationError(errors)
        return items

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _tidy(self.prepare_value(initial)) != _tidy(data)


def _tidy(text: Any) -> list[str]:
    return [line.strip() for line in str(text or "").splitlines() if line.strip()]


def words_field(**kwargs: Any) -> LinesField:
    """Return a field for a list of strings, one a line."""
    return LinesField(read=str, write=str, **kwargs)


def texts_field(**kwargs: Any) -> LinesField:
    """Return a field for DisplayTexts: `en: Behind the station`."""
    kwargs.setdefault("help_text", _("One line per language, such as “en: Behind the station”."))
    return LinesField(read=_read_text, write=_write_text, **kwargs)


def _read_text(line: str) -> Item:
    language, colon, text = line.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z]{2}", language.strip()) or not text.strip():
        raise ValueError(gettext("write two letters, a colon and the text: “en: …”."))
    return {"language": language.strip(), "text": text.strip()}


def _write_text(item: Item) -> str:
    # OCPI allows no line breaks in a text; old data may have some.
    return f"{item['language']}: {' '.join(str(item['text']).split())}"


def images_field(**kwargs: Any) -> LinesField:
    """Return a field for Images: `CHARGER https://… 800x600 jpeg https://thumbnail…`."""
    kwargs.setdefault(
        "help_text",
        _(
            "One image per line: category and address, such as “CHARGER https://…/a.jpg”. "
            "May follow: size “800x600”, type “jpeg”, the address of a thumbnail. "
            "Categories: CHARGER, ENTRANCE, LOCATION, NETWORK, OPERATOR, OTHER, OWNER."
        ),
    )
    return LinesField(read=read_image, write=write_image, **kwargs)


def read_image(line: str) -> Item:
    """Return an Image from its line.

    Raises:
        ValueError: a word is none of those an image has.

    """
    category, *words = line.split()
    item: Item = {"category": category}
    for word in words:
        if word.lower().startswith(("http://", "https://")):
            item["thumbnail" if "url" in item else "url"] = word
        elif size := _SIZE.fullmatch(word):
            item |= {"width": int(size[1]), "height": int(size[2])}
        elif len(word) <= 4:
            item["type"] = word
        else:
            raise ValueError(gettext("“%(word)s” is no address, size or type.") % {"word": word})
    if "url" not in item:
        raise ValueError(gettext("the address of the image is missing."))
    return item if "type" in item else item | {"type": _file_type(item["url"])}


def _file_type(url: str) -> str:
    ending = url.partition("?")[0].rpartition(".")[2].lower()
    if ending not in {"jpg", "jpeg", "png", "gif", "svg", "webp"}:
        raise ValueError(gettext("name the type of the image as well: jpeg, png, gif or svg."))
    return "jpeg" if ending == "jpg" else ending


def write_image(item: Item) -> str:
    """Return the line of an Image."""
    words = [item["category"], item["url"]]
    if item.get("width") and item.get("height"):
        words.append(f"{item['width']}x{item['height']}")
    words.append(item["type"])
    if item.get("thumbnail"):
        words.append(item["thumbnail"])
    return " ".join(words)


def places_field(**kwargs: Any) -> LinesField:
    """Return a field for AdditionalGeoLocations: `48.89233, 9.18329 de: Einfahrt`."""
    kwargs.setdefault(
        "help_text", _("One place per line, such as “48.89233, 9.18329 en: Entrance”.")
    )
    return LinesField(read=_read_place, write=_write_place, **kwargs)


def _read_place(line: str) -> Item:
    found = re.fullmatch(r"(-?[\d.]+)\s*[, ]\s*(-?[\d.]+)\s*(.*)", line, re.ASCII)
    if not found:
        raise ValueError(gettext("write latitude, longitude and perhaps a name."))
    item: Item = {"latitude": found[1], "longitude": found[2]}
    if found[3]:
        item["name"] = _read_text(found[3])
    return item


def _write_place(item: Item) -> str:
    name = f" {_write_text(item['name'])}" if item.get("name") else ""
    return f"{item['latitude']}, {item['longitude']}{name}"


PUBLISH_KEYS = ("uid", "type", "visual_number", "issuer", "group_id")


def publish_to_field(**kwargs: Any) -> LinesField:
    """Return a field for PublishTokenTypes: `uid=1234 type=RFID`, `visual_number=A1 issuer=B`."""
    kwargs.setdefault(
        "help_text",
        _(
            "One line per token or group: “uid=1234 type=RFID”, “visual_number=AB-1 issuer=Me” or "
            '“group_id=fleet1”. Text with spaces goes in quotes: issuer="Fleet Ltd".'
        ),
    )
    return LinesField(read=_read_publish_to, write=_write_publish_to, **kwargs)


def _read_publish_to(line: str) -> Item:
    item: Item = {}
    for word in shlex.split(line.replace("\N{LEFT DOUBLE QUOTATION MARK}", '"')):
        key, equals, value = word.partition("=")
        if not equals or key not in PUBLISH_KEYS:
            raise ValueError(
                gettext("“%(word)s” is not one of %(keys)s with its value.")
                % {"word": word, "keys": ", ".join(f"{key}=" for key in PUBLISH_KEYS)}
            )
        item[key] = value
    if not ({"uid", "visual_number", "group_id"} & set(item)):
        raise ValueError(gettext("give a uid, a visual_number or a group_id."))
    for one, other in (("uid", "type"), ("visual_number", "issuer")):
        if one in item and other not in item:
            raise ValueError(
                gettext("%(one)s needs %(other)s as well.") % {"one": one, "other": other}
            )
    return item


def _write_publish_to(item: Item) -> str:
    return " ".join(f"{key}={shlex.quote(item[key])}" for key in PUBLISH_KEYS if item.get(key))


def amounts_field(name: str, amount: str, **kwargs: Any) -> LinesField:
    """Return a field for a word and a number a line: `SOLAR 60`."""

    def read(line: str) -> Item:
        words = line.removesuffix("%").split()
        if len(words) != 2 or not re.fullmatch(r"\d+(\.\d+)?", words[1], re.ASCII):
            raise ValueError(gettext("write a name and a number, such as “SOLAR 60”."))
        return {name: words[0].upper(), amount: words[1]}

    return LinesField(read=read, write=lambda item: f"{item[name]} {item[amount]}", **kwargs)


def periods_field(*, with_status: bool = False, **kwargs: Any) -> LinesField:
    """Return a field for periods: `2026-12-24 08:00 to 2026-12-24 12:00`, then perhaps a status.

    Its items hold the moments as written: `resolve_periods` makes them UTC once the time zone of
    the location is known.
    """
    widget = UnfoldAdminTextareaWidget(
        attrs={
            "rows": 2,
            "placeholder": _EXAMPLE + (" INOPERATIVE" if with_status else ""),
        }
    )

    def read(line: str) -> Item:
        if not with_status and (day := _read_day(line)) is not None:
            return day
        moments = [match[0] for match in _MOMENT.finditer(line)]
        rest = _MOMENT.sub(" ", line)
        words = [word for word in rest.split() if word not in {"to", "-", "\N{EN DASH}"}]
        if not moments or len(moments) > 2 or len(words) != (1 if with_status else 0):
            raise ValueError(
                gettext("write the begin, the end and the status: “%(example)s”.")
                % {"example": f"{_EXAMPLE} INOPERATIVE"}
                if with_status
                else gettext("write the begin and the end: “%(example)s”.") % {"example": _EXAMPLE}
            )
        if len(moments) == 1 and not with_status:
            raise ValueError(gettext("the end is missing."))
        item: Item = {"period_begin": moments[0]}
        if len(moments) == 2:
            item["period_end"] = moments[1]
        if with_status:
            item["status"] = words[0].upper()
        return item

    return LinesField(read=read, write=_write_period, widget=widget, **kwargs)


def _read_day(line: str) -> Item | None:
    """Return the period of `2026-12-24 8-20`: hours of one day; None: it is something else."""
    day, _space, hours = line.partition(" ")
    span = _read_hours(unicodedata.normalize("NFKC", hours).strip())
    if span is None or not _DAY.fullmatch(day):
        return None
    begin, end = span
    # The end of the day, as a weekday has it.
    end = "23:59" if end in {"00:00", "24:00"} else end
    return {"period_begin": f"{day} {begin}", "period_end": f"{day} {end}"}


def _write_period(item: Item) -> str:
    words = [item["period_begin"], "\N{EN DASH}"]
    if item.get("period_end"):
        words.append(item["period_end"])
    if item.get("status"):
        words.append(item["status"])
    return " ".join(words)


def local_periods(items: Iterable[Item], zone: ZoneInfo) -> list[Item]:
    """Return stored periods (UTC) with their moments as people at the location write them."""
    return [
        item
        | {
            key: local_text(item[key], zone)
            for key in ("period_begin", "period_end")
            if item.get(key)
        }
        for item in items
    ]


def resolve_periods(items: Iterable[Item], zone: ZoneInfo) -> list[Item]:
    """Return written periods with their moments in UTC, as OCPI has them."""
    return [
        item
        | {
            key: format_datetime(utc_moment(item[key], zone))
            for key in ("period_begin", "period_end")
            if item.get(key)
        }
        for item in items
    ]


def local_text(value: str, zone: ZoneInfo) -> str:
    """Return a stored OCPI DateTime in local time; in UTC, with a Z, where that is ambiguous."""
    moment = parse_datetime(value)
    assert isinstance(moment, datetime)  # noqa: S101  stored values were checked
    text = moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
    return text if utc_moment(text, zone) == moment else format_datetime(moment)


def utc_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return the moment that people wrote: local time, or UTC where it ends with Z.

    Raises:
        ValueError: there is no such date or time.

    """
    moment = datetime.fromisoformat(text.replace(" ", "T"))
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is out of range") from error


class DayHoursField(forms.CharField):
    """The opening hours of one weekday: `08:00-12:00, 13:00-18:00`, or `8-12, 13-18`.

    Empty is closed. Its value is a list of `(begin, end)`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": _("closed")}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) or value is None:
            return value
        return ", ".join(f"{begin}-{end}" for begin, end in value)

    def clean(self, value: Any) -> Any:
        periods = []
        # Digits and colons of Japanese keyboards are those of others, twice as wide.
        text = unicodedata.normalize("NFKC", str(value or ""))
        for part in filter(
            None, (part.strip() for part in re.split("[,;\N{IDEOGRAPHIC COMMA}]", text))
        ):
            span = _read_hours(part)
            if span is None:
                raise ValidationError(
                    gettext(
                        "“%(part)s” is no time span: write one such as 08:00-18:00 or 8-18, with a "
                        "comma before the next."
                    )
                    % {"part": part}
                )
            begin, end = span
            end = "23:59" if end == "24:00" else end
            if end <= begin and end != "00:00":
                raise ValidationError(
                    gettext(
                        "“%(part)s” ends before it begins: give the hours after midnight to the "
                        "next day."
                    )
                    % {"part": part}
                )
            periods.append((begin, end))
        return periods

    def has_changed(self, initial: Any, data: Any) -> bool:
        return str(self.prepare_value(initial) or "") != str(data or "").strip()


def _read_hours(text: str) -> tuple[str, str] | None:
    """Return the begin and the end of `8-20` or `08:00-20:00`, as `HH:MM`; None: it is no span."""
    found = _HOURS.fullmatch(text)
    if found is None:
        return None
    hour, minute, last_hour, last_minute = found.groups(default="00")
    begin, end = f"{hour:0>2}:{minute}", f"{last_hour:0>2}:{last_minute}"
    return (begin, end) if _is_clock(begin) and _is_clock(end) else None


def _is_clock(text: str) -> bool:
    hours, minutes = int(text[:2]), int(text[3:])
    return minutes < 60 and (hours < 24 or text == "24:00")


class Offered(BaseChoiceIterator):
    """Choices that are as they should be, and never change.

    A form copies its fields, and Django looks through lists of choices with every copy: through
    these it does not.
    """

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        self._pairs = pairs

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._pairs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Offered":
        return self


class OpenChoicesField(forms.MultipleChoiceField):
    """Several values of an open enum: the known ones, and those that are set already."""

    def __init__(self, *, known: Iterable[tuple[str, Any]], **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("widget", UnfoldAdminCheckboxSelectMultipleWidget)
        self._known = list(known)
        super().__init__(choices=Offered(self._known), **kwargs)

    def keep(self, values: Sequence[str] | None) -> None:
        """Offer these values as well: an unknown value of an open enum is legal."""
        known = {str(value) for value, _label in self._known}
        extra = [(value, value) for value in values or () if value not in known]
        if extra:
            self.choices = [*self._known, *extra]


class OpenChoiceField(forms.ChoiceField):
    """One value of an open enum: a known one, or the one that is set already."""

    def __init__(self, *, known: Iterable[tuple[str, Any]], **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminSelectWidget)
        first = [] if kwargs.get("required", True) else [("", "—")]
        self._known = [*first, *known]
        super().__init__(choices=Offered(self._known), **kwargs)

    def keep(self, value: str | None) -> None:
        """Offer this value as well."""
        if value and value not in {str(known) for known, _label in self._known}:
            self.choices = [*self._known, (value, value)]


def text_field(**kwargs: Any) -> forms.CharField:
    """Return a one-line field in the admin's look."""
    kwargs.setdefault("required", False)
    return forms.CharField(widget=UnfoldAdminTextInputWidget, **kwargs)


def url_field(**kwargs: Any) -> forms.URLField:
    """Return a field for a web address in the admin's look."""
    kwargs.setdefault("required", False)
    return forms.URLField(
        max_length=255,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "url"}),
        **kwargs,
    )
