"""Everything that writes parties and tariffs."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from cpo_platform.common.models import changed_fields
from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import BusinessDetails, plain
from tariffs.models import Party, PriceComponent, Tariff, TariffElement
from tariffs.shapes import (
    PriceComponentShape,
    PriceLimitShape,
    TariffElementShape,
    TariffRestrictionsShape,
    TariffShape,
)
from tariffs.signals import tariff_changed

# What decides for whom a tariff is and when it holds: connectors show another one when it changes.
REACH = ("public", "type", "start_date_time", "end_date_time")
RESTRICTIONS = tuple(TariffRestrictionsShape.model_fields)


class UnknownParty(ValueError):
    """The object belongs to a party that this platform does not operate."""


class TariffInUse(ValueError):
    """The tariff is still referenced by connectors, so that it cannot be deleted."""


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
    *, tariff: TariffShape, now: datetime, public: bool | None = None
) -> tuple[Tariff, Outcome]:
    """Create a tariff, or make the one with this identity equal to `tariff`.

    `public` is ours alone: whether every partner sees it; None leaves it as it is. A session that
    is running keeps the tariff as it was when the session started.

    Raises:
        UnknownParty: the owner is not one of our parties.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    try:
        return _put_tariff(tariff, now, public)
    except IntegrityError:
        # Another put of the same tariff was first: now there is a row to lock.
        return _put_tariff(tariff, now, public)


def _put_tariff(
    tariff: TariffShape,
    now: datetime,
    public: bool | None,  # noqa: FBT001  as put_tariff has it
) -> tuple[Tariff, Outcome]:
    with transaction.atomic():
        require_party(tariff.country_code, tariff.party_id)
        row = (
            Tariff.objects.select_for_update(no_key=True)
            .with_elements()
            .filter(country_code=tariff.country_code, party_id=tariff.party_id, ocpi_id=tariff.id)
            .first()
        )
        if row is None:
            row = Tariff(
                country_code=tariff.country_code, party_id=tariff.party_id, ocpi_id=tariff.id
            )
            outcome = Outcome.CREATED
        elif (
            row.deleted_at is None and public in {None, row.public} and _same(shape_of(row), tariff)
        ):
            return row, Outcome.UNCHANGED
        else:
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
        tariff_changed.send(sender=Tariff, tariff_id=row.pk, now=now, turned=turned)
    return row, outcome


def due_turns(*, now: datetime) -> list[int]:
    """Return the tariffs whose validity began or ended since they were last updated."""
    began, ended = Q(start_date_time__lte=now), Q(end_date_time__lte=now)
    due = (began & Q(start_date_time__gt=F("last_updated"))) | (
        ended & Q(end_date_time__gt=F("last_updated"))
    )
    return list(Tariff.objects.in_use().filter(due).order_by("pk").values_list("pk", flat=True))


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
