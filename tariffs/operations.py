"""Everything that writes parties and tariffs."""

from datetime import datetime
from itertools import count
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, When

from cpo_platform.common import clock
from cpo_platform.common.models import changed_fields
from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import BusinessDetails, parse, plain
from tariffs.models import Party, PriceComponent, Tariff, TariffElement
from tariffs.shapes import (
    PriceComponentShape,
    PriceLimitShape,
    TariffElementShape,
    TariffRestrictionsShape,
    TariffShape,
)
from tariffs.signals import tariff_changed, tariff_superseded

# What decides for whom a tariff is and when it holds: connectors show another one when it changes.
REACH = ("public", "type", "start_date_time", "end_date_time")
RESTRICTIONS = tuple(TariffRestrictionsShape.model_fields)
LONGEST_ID = 36
# What a driver pays depends on these alone, and which sessions pay it.
PRICE = ("currency", "type", "min_price", "max_price", "elements", "tax_included")


class UnknownParty(ValueError):
    """The object belongs to a party that this platform does not operate."""


class TariffInUse(ValueError):
    """The tariff is still referenced by connectors, so that it cannot be deleted."""


class AlreadySuperseded(ValueError):
    """The tariff has a successor: the next change is one of that."""


class NotValidThen(ValueError):
    """The tariff does not hold at the moment at which another is to take over from it."""


class TariffExists(ValueError):
    """The id of a successor is that of a tariff that exists, or did."""


class IdTaken(ValueError):
    """The id of a new tariff is that of one that exists, or did."""


class OtherType(ValueError):
    """A successor is for other sessions: those of the old one would cost nothing."""


class SuccessorRefused(ValueError):
    """What has the old tariff cannot have the successor beside it."""


def put_party(
    *, country_code: str, party_id: str, business_details: BusinessDetails
) -> tuple[Party, Outcome]:
    """Create a CPO party of ours, or change its business details.

    Raises:
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    values: dict[str, Any] = {
        "name": business_details.name,
        "website": business_details.website or "",
        "logo": plain(type(business_details.logo), business_details.logo)
        if business_details.logo
        else None,
    }
    with transaction.atomic():
        party = (
            Party.objects.select_for_update(no_key=True)
            .filter(country_code=country_code, party_id=party_id)
            .first()
        )
        if party is None:
            party = Party(country_code=country_code, party_id=party_id, **values)
            outcome = Outcome.CREATED
        elif changed_fields(party, values):
            outcome = Outcome.CHANGED
        else:
            return party, Outcome.UNCHANGED
        party.full_clean()
        party.save()
    return party, outcome


def require_party(country_code: str, party_id: str) -> None:
    """Check that the party is one of ours.

    Raises:
        UnknownParty: it is not.

    """
    if not Party.objects.filter(country_code=country_code, party_id=party_id).exists():
        raise UnknownParty(
            f"country_code, party_id: {country_code}*{party_id} is not a CPO party of this platform"
        )


def put_tariff(
    *, tariff: TariffShape, now: datetime, public: bool | None = None, is_new: bool = False
) -> tuple[Tariff, Outcome]:
    """Create a tariff, or make the one with this identity equal to `tariff`.

    `public` is ours alone: whether every partner sees it; None leaves it as it is. A session that
    is running keeps the tariff as it was when the session started. Staff supersedes what is in use
    (`supersede_tariff`); this is for imports, and for what nobody pays by yet.

    Where a tariff that supersedes another begins at another moment now, the other ends there; one
    that was superseded ends where its successor begins, whatever `tariff` says.

    `is_new`: there must be none with this identity, nor have been.

    Raises:
        IdTaken: there is or was one, and it is to be new.
        UnknownParty: the owner is not one of our parties.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    try:
        return _put_tariff(tariff, now, public, is_new=is_new)
    except IntegrityError:
        # Another put of the same tariff was first: now there is a row to lock.
        return _put_tariff(tariff, now, public, is_new=is_new)


def _put_tariff(
    tariff: TariffShape,
    now: datetime,
    public: bool | None,  # noqa: FBT001  as put_tariff has it
    *,
    is_new: bool,
) -> tuple[Tariff, Outcome]:
    with transaction.atomic():
        require_party(tariff.country_code, tariff.party_id)
        row = (
            Tariff.objects.select_for_update(no_key=True)
            .with_elements()
            .filter(country_code=tariff.country_code, party_id=tariff.party_id, ocpi_id=tariff.id)
            .first()
        )
        if is_new and row is not None:
            raise IdTaken(f"id: {row.party} has, or had, a tariff {tariff.id}")
        if row is None:
            row = Tariff(
                country_code=tariff.country_code, party_id=tariff.party_id, ocpi_id=tariff.id
            )
            outcome = Outcome.CREATED
        else:
            tariff = _with_seams(row, tariff, now)
            same = row.deleted_at is None and public in {None, row.public}
            if same and _same(shape_of(row), tariff):
                return row, Outcome.UNCHANGED
            outcome = Outcome.CHANGED
        values = _columns(tariff) | {"deleted_at": None}
        if public is not None:
            values["public"] = public
        changed = changed_fields(row, values)
        turned = outcome is Outcome.CHANGED and any(name in REACH for name in changed)
        row.touch(now)
        row.full_clean()
        row.save()
        _replace_elements(row, tariff.elements)
        if row.supersedes_id is not None and "start_date_time" in changed:
            _end(row.supersedes_id, row.start_date_time, now)
        tariff_changed.send(sender=Tariff, tariff_id=row.pk, now=now, turned=turned)
    return row, outcome


def _with_seams(row: Tariff, tariff: TariffShape, now: datetime) -> TariffShape:
    """Return the tariff with what superseding has set: where another ends, or takes over.

    An import knows nothing of that, and must make neither a gap nor an overlap, nor move a seam
    into the past: sessions have been sold at the old prices until now.
    """
    if row.deleted_at is not None:
        # What it superseded has gone on without it since.
        row.supersedes = None
        return tariff
    seams: dict[str, datetime | None] = {}
    start = tariff.start_date_time
    moved = row.supersedes_id is not None and start != row.start_date_time
    if moved and (start is None or start < now):
        seams["start_date_time"] = row.start_date_time
    if tariff.end_date_time != row.end_date_time and row.successor() is not None:
        seams["end_date_time"] = row.end_date_time
    return tariff.model_copy(update=seams)


def _end(tariff_id: int, at: datetime | None, now: datetime) -> None:
    row = Tariff.objects.select_for_update(no_key=True).get(pk=tariff_id)
    row.end_date_time = at
    row.touch(now)
    row.full_clean()
    row.save(update_fields=["end_date_time", "last_updated"])
    tariff_changed.send(sender=Tariff, tariff_id=row.pk, now=now, turned=True)


def supersede_tariff(
    *, tariff_id: int, successor: TariffShape, at: datetime, now: datetime
) -> Tariff:
    """Let another tariff take over from one at a moment: now, or later; return the other.

    The old one ends at `at` and the successor, with an id of its own, begins: there is no gap and
    no overlap. Connectors that have the old one get the successor, and so do the partners that it
    was given to; sessions that started before keep the old one. `public`, the owner and the
    beginning of `successor` are taken from here, whatever it says.

    Raises:
        AlreadySuperseded, NotValidThen, TariffExists, OtherType, SuccessorRefused: see there.
        Tariff.DoesNotExist: there is none, or it is deleted.
        ShapeError: `successor` ends before it begins.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    at = clock.truncate(at)
    with transaction.atomic():
        old = Tariff.objects.select_for_update(no_key=True).in_use().get(pk=tariff_id)
        shape = _taking_over(old, successor, at)
        _refuse_takeover(old, shape, at, now)
        row = Tariff(
            country_code=old.country_code,
            party_id=old.party_id,
            ocpi_id=shape.id,
            public=old.public,
            supersedes=old,
        )
        changed_fields(row, _columns(shape))
        row.touch(now)
        row.full_clean()
        row.save()
        _replace_elements(row, shape.elements)
        old.end_date_time = at
        old.touch(now)
        old.save(update_fields=["end_date_time", "last_updated"])
        # The new one first: locations may name it from now on. The old one last: they may name it
        # no more, and only then is it taken away from partners that know no validity.
        tariff_changed.send(sender=Tariff, tariff_id=row.pk, now=now, turned=False)
        tariff_superseded.send(sender=Tariff, tariff_id=old.pk, successor_id=row.pk, now=now)
        tariff_changed.send(sender=Tariff, tariff_id=old.pk, now=now, turned=False)
    return row


def _taking_over(old: Tariff, successor: TariffShape, at: datetime) -> TariffShape:
    return parse(
        TariffShape,
        successor.model_dump()
        | {
            "country_code": old.country_code,
            "party_id": old.party_id,
            "start_date_time": at,
        },
    )


def _refuse_takeover(old: Tariff, successor: TariffShape, at: datetime, now: datetime) -> None:
    if old.successor() is not None:
        raise AlreadySuperseded(f"tariff {old.ocpi_id}: it has a successor already")
    begun = old.start_date_time is None or old.start_date_time < at
    if at < clock.truncate(now) or not (begun and old.is_valid_at(at)):
        raise NotValidThen(f"at: tariff {old.ocpi_id} must hold at that moment, which must be new")
    if Tariff.objects.filter(
        country_code=old.country_code, party_id=old.party_id, ocpi_id=successor.id
    ).exists():
        raise TariffExists(f"id: {old.party} has, or had, a tariff {successor.id}")
    if (successor.type or "") not in {old.type, ""}:
        raise OtherType(f"type: sessions that {old.ocpi_id} is for would have no price")


def is_other_price(one: TariffShape, other: TariffShape) -> bool:
    """Tell whether two tariffs differ in what sessions cost, and not in texts alone."""
    first, second = _content(one, set()), _content(other, set())
    return any(first.get(name) != second.get(name) for name in PRICE)


def proposed_id(tariff: Tariff) -> str:
    """Return an id for the successor of a tariff: `NIGHT` is followed by `NIGHT-2`. One query."""
    stem, dash, number = str(tariff.ocpi_id).rpartition("-")
    if not (dash and stem and number.isdecimal() and len(number) < 4):
        stem, number = str(tariff.ocpi_id), "1"
    taken = {
        found.lower()
        for found in Tariff.objects.filter(
            country_code=tariff.country_code,
            party_id=tariff.party_id,
            ocpi_id__istartswith=stem[:30],
        ).values_list("ocpi_id", flat=True)[:1000]
    }
    for next_number in count(int(number) + 1):
        suffix = f"-{next_number}"
        proposal = stem[: LONGEST_ID - len(suffix)] + suffix
        if proposal.lower() not in taken:
            return proposal
    raise AssertionError  # pragma: no cover  there is always a higher number


def due_turns(*, now: datetime) -> list[int]:
    """Return the tariffs whose validity began or ended since they were last updated.

    Those that began come first: a successor is known before a location names it.
    """
    began, ended = Q(start_date_time__lte=now), Q(end_date_time__lte=now)
    due = (began & Q(start_date_time__gt=F("last_updated"))) | (
        ended & Q(end_date_time__gt=F("last_updated"))
    )
    ended_last = Case(When(ended, then=1), default=0)
    rows = Tariff.objects.in_use().filter(due).order_by(ended_last, "pk")
    return list(rows.values_list("pk", flat=True))


def turn_tariff(*, tariff_id: int, now: datetime) -> bool:
    """Say that a tariff's validity has begun or ended; return whether that was still to be said.

    It moves `last_updated`: a partner whose version has no validity (OCPI 2.1.1) sees the tariff
    appear or go, and who pulls by date must see that as well.
    """
    with transaction.atomic():
        row = Tariff.objects.select_for_update(no_key=True).in_use().get(pk=tariff_id)
        moments = (row.start_date_time, row.end_date_time)
        if not any(moment and row.last_updated < moment <= now for moment in moments):
            return False
        row.touch(now)
        row.save(update_fields=["last_updated"])
        tariff_changed.send(sender=Tariff, tariff_id=row.pk, now=now, turned=True)
    return True


def delete_tariff(*, tariff_id: int, now: datetime) -> None:
    """Delete a tariff that no connector uses; partners are told by DELETE.

    Where it was to take over from another later, the other goes on until this one would have ended.

    Raises:
        TariffInUse: a connector still references it (OCPI 2.2.1, mod_tariffs, DELETE).
        Tariff.DoesNotExist: there is none, or it is deleted already.

    """
    with transaction.atomic():
        row = Tariff.objects.select_for_update(no_key=True).in_use().get(pk=tariff_id)
        used = row.connectors.count()
        if used:
            raise TariffInUse(f"tariff {row.ocpi_id}: {used} connectors still use it")
        row.deleted_at = now
        row.touch(now)
        row.save(update_fields=["deleted_at", "last_updated"])
        if row.supersedes_id is not None and row.start_date_time and now < row.start_date_time:
            _end(row.supersedes_id, row.end_date_time, now)
        tariff_changed.send(sender=Tariff, tariff_id=row.pk, now=now, turned=False)


def shape_of(row: Tariff) -> TariffShape:
    """Return a tariff row in its canonical form. Fetch `with_elements()` to avoid queries."""
    return TariffShape(
        country_code=row.country_code,
        party_id=row.party_id,
        id=row.ocpi_id,
        currency=row.currency,
        type=row.type or None,
        tariff_alt_text=row.tariff_alt_text or None,
        tariff_alt_url=row.tariff_alt_url or None,
        min_price=_limit(row.min_price_before_taxes, row.min_price_after_taxes),
        max_price=_limit(row.max_price_before_taxes, row.max_price_after_taxes),
        preauthorize_amount=row.preauthorize_amount,
        elements=[
            _element_shape(element)
            for element in sorted(row.elements.all(), key=lambda element: element.position)
        ],
        tax_included=row.tax_included,
        start_date_time=row.start_date_time,
        end_date_time=row.end_date_time,
        energy_mix=row.energy_mix,
    )


def _limit(before_taxes: Any, after_taxes: Any) -> PriceLimitShape | None:
    if before_taxes is None:
        return None
    return PriceLimitShape(before_taxes=before_taxes, after_taxes=after_taxes)


def _element_shape(element: TariffElement) -> TariffElementShape:
    restrictions = {
        name: value
        for name in RESTRICTIONS
        if (value := getattr(element, name)) not in (None, "", [])
    }
    return TariffElementShape(
        price_components=[
            PriceComponentShape(
                type=component.type,
                price=component.price,
                vat=component.vat,
                step_size=component.step_size,
                grace_period=component.grace_period,
            )
            for component in sorted(element.price_components.all(), key=lambda item: item.pk)
        ],
        restrictions=TariffRestrictionsShape(**restrictions) if restrictions else None,
    )


def _same(one: TariffShape, other: TariffShape) -> bool:
    """Tell whether two shapes say the same, whatever the case of their ids."""
    ids = {"country_code", "party_id", "id"}
    return _content(one, ids) == _content(other, ids)


def _content(shape: TariffShape, ids: set[str]) -> dict[str, Any]:
    content = shape.model_dump(exclude=ids, exclude_none=True)
    for element in content["elements"]:
        # An empty list of days restricts nothing and is stored as none.
        restrictions = element.pop("restrictions", {})
        if kept := {name: value for name, value in restrictions.items() if value != []}:
            element["restrictions"] = kept
    return {name: value for name, value in content.items() if value != []}


def _columns(tariff: TariffShape) -> dict[str, Any]:
    minimum, maximum = tariff.min_price, tariff.max_price
    return {
        "currency": tariff.currency,
        "type": tariff.type or "",
        "tariff_alt_text": [text.model_dump() for text in tariff.tariff_alt_text or []],
        "tariff_alt_url": tariff.tariff_alt_url or "",
        "min_price_before_taxes": minimum.before_taxes if minimum else None,
        "min_price_after_taxes": minimum.after_taxes if minimum else None,
        "max_price_before_taxes": maximum.before_taxes if maximum else None,
        "max_price_after_taxes": maximum.after_taxes if maximum else None,
        "preauthorize_amount": tariff.preauthorize_amount,
        "tax_included": tariff.tax_included,
        "start_date_time": tariff.start_date_time,
        "end_date_time": tariff.end_date_time,
        "energy_mix": plain(type(tariff.energy_mix), tariff.energy_mix)
        if tariff.energy_mix
        else None,
    }


def _replace_elements(row: Tariff, elements: list[TariffElementShape]) -> None:
    row.elements.all().delete()
    rows = [_element_row(row, position, shape) for position, shape in enumerate(elements, start=1)]
    TariffElement.objects.bulk_create(rows)
    PriceComponent.objects.bulk_create(
        PriceComponent(element=element_row, **component.model_dump())
        for element_row, shape in zip(rows, elements, strict=True)
        for component in shape.price_components
    )
    # What was prefetched is the old set.
    getattr(row, "_prefetched_objects_cache", {}).clear()


def _element_row(row: Tariff, position: int, shape: TariffElementShape) -> TariffElement:
    values = shape.restrictions.model_dump(exclude_none=True) if shape.restrictions else {}
    return TariffElement(tariff=row, position=position, **values)
