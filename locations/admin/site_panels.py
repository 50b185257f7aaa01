"""What drivers meet at a location: when it is open, how it looks, parking, energy."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    link,
    may,
    number,
    pill,
    visible,
)
from cpo_platform.common.admin.charts import Bar, WeekPicture
from locations import opening
from locations.admin.display import lines, yes_no
from locations.admin.photos import images_panel
from locations.models import (
    Evse,
    Facility,
    Location,
    ParkingPlace,
    ParkingRestriction,
    ParkingType,
    Status,
)

EXCEPTIONS_AHEAD = timedelta(days=14)
KINDS = {
    opening.OPEN: _("open"),
    opening.ALSO_OPEN: _("exceptionally open"),
    opening.CLOSED: _("exceptionally closed"),
}
SOURCES = {
    "NUCLEAR": _("Nuclear"),
    "GENERAL_FOSSIL": _("Fossil"),
    "COAL": _("Coal"),
    "GAS": _("Gas"),
    "GENERAL_GREEN": _("Renewable"),
    "SOLAR": _("Solar"),
    "WIND": _("Wind"),
    "WATER": _("Water"),
}
ACCESSIBLE = "DISABLED"


def site_panels(request: HttpRequest, location_id: int) -> list[Panel]:
    """Return what drivers meet there. Four queries, whatever is there."""
    rows = visible(request, Location.objects.filter(pk=location_id))
    location = rows.prefetch_related("parking_places").first()
    if location is None:
        return []
    evses = location.evses.exclude(status=Status.REMOVED).prefetch_related("parking__parking_place")
    return [
        hours_panel(location, clock.now()),
        parking_panel(request, location, list(evses.order_by("pk"))),
        images_panel(location),
        energy_panel(location),
    ]


def hours_panel(location: Location, now: datetime) -> Panel:
    """Return the coming week as a picture, and the exceptions of the coming two."""
    closing = gettext("Charging continues when it is closed: %(answer)s.") % {
        "answer": yes_no(location.charging_when_closed)
    }
    if location.opening_times is None:
        return Panel(
            title=_("Opening hours"),
            anchor="hours",
            note=gettext("Nobody has said when it is open. Drivers may take it for always open."),
        )
    zone = ZoneInfo(location.time_zone)
    hours, today = location.opening_times, now.astimezone(zone).date()
    exceptions = opening.coming(hours, zone=zone, since=now, until=now + EXCEPTIONS_AHEAD)
    return Panel(
        title=_("Opening hours"),
        anchor="hours",
        note=format_html(
            "{} {} {}",
            gettext("Open always (24/7).") if hours["twentyfourseven"] else "",
            gettext("Times are local: %(zone)s.") % {"zone": location.time_zone},
            closing,
        ),
        picture=_week_picture(opening.week(hours, zone=zone, first=today)),
        columns=(_("exception"), _("from"), _("to")) if exceptions else (),
        rows=[(KINDS[one.kind], _local(one.since), _local(one.until)) for one in exceptions],
    )


def _week_picture(days: Iterable[opening.Day]) -> object:
    picture = WeekPicture(
        title=gettext("Opening hours of the coming seven days"),
        rows=[
            (
                f"{date_format(one.day, 'D')} {one.day:%Y-%m-%d}",
                [
                    (f"cpo-when-{part.kind}", part.begin, part.end, _part_text(part))
                    for part in one.parts
                ],
            )
            for one in days
        ],
    )
    return format_html("{}{}", picture.svg(), _legend((f"when-{k}", v) for k, v in KINDS.items()))


def _part_text(part: opening.Part) -> str:
    times = " \N{EN DASH} ".join(f"{at // 60:02}:{at % 60:02}" for at in (part.begin, part.end))
    return f"{KINDS[part.kind]}: {times}"


def _local(moment: datetime) -> str:
    return f"{date_format(moment.date(), 'D')} {moment:%Y-%m-%d %H:%M}"


def _legend(entries: Iterable[tuple[str, Any]]) -> object:
    shown = format_html_join(" ", '<span><i class="cpo-{}"></i>{}</span>', entries)
    return format_html('<p class="cpo-legend">{}</p>', shown)


def parking_panel(request: HttpRequest, location: Location, evses: list[Evse]) -> Panel:
    """Return where drivers park, what they find there, and what is fit for disabled people."""
    buttons = []
    if may(request, "locations.add_parkingplace"):
        url = f"{reverse('admin:locations_parkingplace_add')}?location={location.pk}"
        buttons = [Button(_("Add a parking place"), url)]
    places = list(location.parking_places.all())
    accessible = [evse for evse in evses if _is_accessible(evse)]
    restrictions = sorted({name for evse in evses for name in evse.parking_restrictions})
    return Panel(
        title=_("Parking and accessibility"),
        anchor="parking",
        facts=[
            (_("parking type"), _name(ParkingType, location.parking_type)),
            (_("parking restrictions"), _names(ParkingRestriction, restrictions)),
            (
                _("for disabled people"),
                lines(str(evse) for evse in accessible)
                if accessible
                else gettext("No EVSE says so: state it by a parking restriction, or a place."),
            ),
            (_("facilities"), _names(Facility, location.facilities)),
            (_("directions"), lines(_text(text) for text in location.directions)),
            (_("help phone"), location.help_phone or NONE),
        ],
        columns=(
            *(_("id"), _("reference"), _("vehicles"), _("height"), _("roofed")),
            *(_("drive-through"), _("lighting"), _("EVSEs")),
        )
        if places
        else (),
        rows=[
            (
                *(
                    _place_link(request, place),
                    place.physical_reference,
                    ", ".join(place.vehicle_types),
                ),
                number(place.max_vehicle_height, "cm"),
                *(yes_no(place.roofed), yes_no(place.drive_through), yes_no(place.lighting)),
                lines(str(evse) for evse in evses if _stands_at(evse, place.pk)),
            )
            for place in places
        ],
        buttons=buttons,
    )


def _place_link(request: HttpRequest, place: ParkingPlace) -> object:
    return link(place) if may(request, "locations.view_parkingplace") else place.ocpi_id


def _is_accessible(evse: Evse) -> bool:
    return ACCESSIBLE in evse.parking_restrictions or any(
        ACCESSIBLE in parking.parking_place.vehicle_types for parking in evse.parking.all()
    )


def _stands_at(evse: Evse, place_id: int) -> bool:
    return any(parking.parking_place_id == place_id for parking in evse.parking.all())


def _text(item: dict[str, Any]) -> str:
    return f"{item['language']}: {item['text']}"


def _name(known: Any, value: str) -> object:
    return known(value).label if value in known.values else value or NONE


def _names(known: Any, values: Iterable[str]) -> object:
    return ", ".join(str(_name(known, value)) for value in values) or NONE


def energy_panel(location: Location) -> Panel:
    """Return where the energy comes from."""
    mix = location.energy_mix
    if mix is None:
        return Panel(
            title=_("Energy mix"),
            anchor="energy",
            note=_("Nobody has said where the energy comes from."),
        )
    sources = mix.get("energy_sources") or []
    green = mix["is_green_energy"]
    return Panel(
        title=_("Energy mix"),
        anchor="energy",
        picture=_sources_picture(sources) if sources else "",
        facts=[
            (
                _("green energy"),
                pill(gettext("yes") if green else gettext("no"), "green" if green else "grey"),
            ),
            (_("supplier"), mix.get("supplier_name") or NONE),
            (_("energy product"), mix.get("energy_product_name") or NONE),
            (
                _("impact (g/kWh)"),
                lines(
                    f"{one['category']} {one['amount']}" for one in mix.get("environ_impact") or []
                ),
            ),
        ],
    )


def _sources_picture(sources: list[dict[str, Any]]) -> object:
    named = [
        (
            f"cpo-source-{one['source'].lower()}",
            float(one["percentage"]) / 100,
            f"{SOURCES.get(one['source'], one['source'])} "
            f"{number(Decimal(str(one['percentage'])), '%')}",
        )
        for one in sources
    ]
    bar = Bar(title=gettext("Sources of energy, in per cent"), parts=named)
    legend = _legend((name.removeprefix("cpo-"), words) for name, _width, words in named)
    return format_html("{}{}", bar.svg(), legend)
