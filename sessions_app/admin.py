"""The admin pages of sessions, CDRs and tokens: nobody edits them, everybody can read them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Panel,
    RecordAdmin,
    link,
    link_to,
    minute,
    moment,
    money,
    number,
    pill,
    unbroken,
)
from cpo_platform.common.shapes import ShapeError, parse, parse_datetime
from sessions_app.models import Cdr, MeterReading, Session, SessionStatus, Token, TokenType
from sessions_app.models.sessions import ONGOING
from tariffs.admin import PartyFilter, element_sentence
from tariffs.models import Tariff
from tariffs.shapes import TariffShape

STATUS_TONES = {
    SessionStatus.ACTIVE: "green",
    SessionStatus.PENDING: "blue",
    SessionStatus.RESERVATION: "blue",
    SessionStatus.COMPLETED: "grey",
    SessionStatus.INVALID: "red",
}
COST_LABELS = {
    "total_fixed_cost": _("fixed"),
    "total_energy_cost": _("energy"),
    "total_time_cost": _("charging time"),
    "total_parking_cost": _("parking"),
    "total_reservation_cost": _("reservation"),
    "total_cost": _("total"),
}
DIMENSION_LABELS = {
    "ENERGY": (_("energy"), "kWh"),
    "TIME": (_("charging time"), "h"),
    "PARKING_TIME": (_("parking"), "h"),
    "RESERVATION_TIME": (_("reservation"), "h"),
    "MAX_POWER": (_("max. power"), "kW"),
    "MIN_POWER": (_("min. power"), "kW"),
    "MAX_CURRENT": (_("max. current"), "A"),
    "MIN_CURRENT": (_("min. current"), "A"),
    "FLAT": (_("flat fee"), ""),
}
READINGS_SHOWN = 50


def session_pill(status: str) -> str:
    """Return a session's status in its colour."""
    known = SessionStatus(status)
    return pill(known.label, STATUS_TONES[known])


# Panels that sessions and CDRs share


def costs_panel(costs: Mapping[str, Any], currency: str) -> Panel:
    """Return the OCPI totals: before taxes, taxes, after taxes."""
    rows = [
        _cost_row(label, costs[name], currency)
        for name, label in COST_LABELS.items()
        if name in costs
    ]
    return Panel(
        title=_("Costs"),
        columns=("", _("before taxes"), _("taxes"), _("after taxes")),
        numeric=frozenset({1, 2, 3}),
        rows=rows,
        empty=_("No price yet: it comes with the first meter values."),
        half=True,
    )


def _cost_row(label: Any, price: Mapping[str, Any], currency: str) -> tuple[object, ...]:
    taxes = price.get("taxes")
    after = None if taxes is None else _sum(price["before_taxes"], taxes)
    names = NONE if taxes is None else ", ".join(_tax_text(tax, currency) for tax in taxes) or "0"
    return capfirst(label), money(price["before_taxes"], currency), names, money(after, currency)


def _sum(before_taxes: str, taxes: Iterable[Mapping[str, str]]) -> str:

    return str(sum((Decimal(tax["amount"]) for tax in taxes), Decimal(before_taxes)))


def _tax_text(tax: Mapping[str, str], currency: str) -> str:
    rate = f" {number(tax['percentage'])} %" if tax.get("percentage") else ""
    return f"{tax['name']}{rate}: {money(tax['amount'], currency)}"


def lines_panel(lines: Sequence[Mapping[str, Any]], currency: str, remarks: Sequence[str]) -> Panel:
    """Return every part of the price with the numbers it was computed from."""
    return Panel(
        title=_("Price, line by line"),
        columns=(
            *(_("line"), _("used"), _("billed"), _("unit price"), _("VAT")),
            *(_("before taxes"), _("after taxes")),
        ),
        numeric=frozenset({1, 2, 3, 4, 5, 6}),
        rows=[
            (
                line["text"],
                number(line["volume"], line["unit"]) if line["dimension"] else NONE,
                number(line["billed_volume"], line["unit"]) if line["dimension"] else NONE,
                money(line["unit_price"], currency),
                NONE if line["vat"] is None else number(line["vat"], "%"),
                money(line["before_taxes"], currency),
                money(line["after_taxes"], currency),
            )
            for line in lines
        ],
        empty=_("Nothing is charged."),
        facts=[(_("remark"), remark) for remark in remarks],
    )


def periods_panel(
    periods: Iterable[tuple[datetime | None, Sequence[Mapping[str, str]], str]],
    zone: str,
    empty: Any,
) -> Panel:
    """Return the charging periods."""
    return Panel(
        title=_("Charging periods"),
        columns=(_("start"), _("use"), _("tariff")),
        rows=[
            (
                moment(start, zone),
                ", ".join(_dimension_text(dimension) for dimension in dimensions),
                tariff_id or NONE,
            )
            for start, dimensions, tariff_id in periods
        ],
        empty=empty,
    )


def _dimension_text(dimension: Mapping[str, str]) -> str:
    label, unit = DIMENSION_LABELS.get(dimension["type"], (dimension["type"], ""))
    return f"{label} {number(dimension['volume'], unit)}"


def tariff_panel(document: Mapping[str, Any] | None) -> Panel:
    """Return the tariff of a session as it was when the session started."""
    if document is None:
        return Panel(
            title=_("Tariff"),
            note=_("The connector had no tariff when the session started: it costs nothing."),
            half=True,
        )
    try:
        shape = parse(TariffShape, document)
    except ShapeError:
        # A tariff of an older release, or of another platform: show it as it is.
        return Panel(title=_("Tariff"), code=str(document), half=True)
    row = Tariff.objects.filter(
        country_code=shape.country_code, party_id=shape.party_id, ocpi_id=shape.id
    ).first()
    return Panel(
        title=_("Tariff when the session started"),
        facts=[
            (_("tariff"), link(row, shape.id) if row else shape.id),
            *(
                (gettext("element %(number)s") % {"number": place}, text)
                for place, text in enumerate(
                    (element_sentence(element, shape.currency) for element in shape.elements),
                    start=1,
                )
            ),
        ],
        half=True,
    )


def _token_facts(row: Session | Cdr) -> list[tuple[Any, object]]:
    owner = f"{row.token_country_code}*{row.token_party_id}"
    types = dict(TokenType.choices)
    url = reverse("admin:sessions_app_token_changelist")
    return [
        (_("contract"), row.token_contract_id),
        (_("provider"), owner),
        (_("token"), link_to(f"{url}?q={row.token_uid}", row.token_uid)),
        (_("token type"), types.get(row.token_type, row.token_type)),
    ]


# Filters


class StateFilter(admin.SimpleListFilter):
    """Sessions that go on, or that have ended."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("ongoing", _("Ongoing")), ("ended", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "ongoing":
            return queryset.filter(status__in=ONGOING)
        return queryset.exclude(status__in=ONGOING) if self.value() == "ended" else queryset


class _DayFilter(admin.SimpleListFilter):
    """Rows of some days, by UTC."""

    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("today", _("Today")),
            ("yesterday", _("Yesterday")),
            ("7", _("Last 7 days")),
            ("30", _("Last 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        days = {"today": 0, "yesterday": 1}.get(value, int(value) if value.isdecimal() else 0)
        rows = queryset.filter(**{f"{self.field}__gte": midnight - timedelta(days=days)})
        return rows.filter(**{f"{self.field}__lt": midnight}) if value == "yesterday" else rows


class StartedFilter(_DayFilter):
    title = _("started (UTC)")
    parameter_name = "started"
    field = "start_date_time"


class EndedFilter(_DayFilter):
    title = _("ended (UTC)")
    parameter_name = "ended"
    field = "end_date_time"


# Pages


@admin.register(Session)
class SessionAdmin(RecordAdmin):
    """Sessions: what was used, what it costs and why, and who was told."""

    module = "sessions"
    change_list_template = "admin/cpo/chips_list.html"
    list_display = (*("started", "state", "place", "contract", "duration", "energy", "cost"),)
    list_display_links = ("started",)
    list_filter = (StateFilter, "status", "auth_method", StartedFilter, PartyFilter)
    list_select_related = ("location", "evse")
    search_fields = (
        *("ocpi_id", "token_uid", "token_contract_id", "authorization_reference"),
        *("evse__uid", "evse__evse_id", "location__name", "location__city"),
    )
    search_help_text = _("Search by id, token, contract, EVSE or location")
    ordering = ("-start_date_time",)
    empty_text = _(
        "Sessions appear here as soon as somebody starts to charge, at a station or through a "
        "partner's app."
    )

    def panels(self, request: HttpRequest, obj: Session) -> list[Panel]:
        zone = str(obj.frozen_location.get("time_zone", ""))
        details = obj.price_details
        return [
            self._facts(obj, zone),
            self._place(obj),
            costs_panel(details.get("costs", {}), obj.currency),
            tariff_panel(obj.frozen_tariff),
            lines_panel(details.get("lines", []), obj.currency, details.get("remarks", [])),
            periods_panel(
                (
                    (period.start_date_time, period.dimensions, period.tariff_id)
                    for period in obj.charging_periods.order_by("position")
                ),
                zone,
                _(
                    "No period is closed yet: one closes when the price changes or the session "
                    "ends."
                ),
            ),
            _readings_panel(obj, zone),
        ]

    def _facts(self, obj: Session, zone: str) -> Panel:
        return Panel(
            title=_("Session"),
            half=True,
            facts=[
                (_("id"), obj.ocpi_id),
                (_("party"), obj.party),
                (_("status"), session_pill(obj.status)),
                (_("started"), moment(obj.start_date_time, zone)),
                (_("ended"), moment(obj.end_date_time, zone)),
                (_("time zone"), zone or "UTC"),
                (_("energy"), number(obj.kwh, "kWh")),
                (_("authorised by"), obj.get_auth_method_display()),
                (_("authorisation reference"), obj.authorization_reference or NONE),
                *_token_facts(obj),
                (_("CDR"), self._cdr_links(obj)),
            ],
        )

    def _cdr_links(self, obj: Session) -> object:
        cdrs = list(obj.cdrs.order_by("pk"))
        if not cdrs:
            return _("none yet: it is issued when the session ends")
        return format_html(
            "{}" + " {}" * (len(cdrs) - 1), *(link(cdr, cdr.ocpi_id) for cdr in cdrs)
        )

    def _place(self, obj: Session) -> Panel:
        frozen = obj.frozen_location
        address = ", ".join(
            str(frozen[name]) for name in ("address", "postal_code", "city") if frozen.get(name)
        )
        return Panel(
            title=_("Place"),
            half=True,
            facts=[
                (_("location"), link(obj.location, frozen.get("name") or address)),
                (_("address"), address),
                (_("EVSE"), link(obj.evse)),
                (_("connector"), frozen.get("connector_id", NONE)),
                (_("standard"), str(frozen.get("connector_standard", "")).replace("_", " ")),
                (_("power type"), frozen.get("connector_power_type", NONE)),
                (_("meter"), obj.meter_id or NONE),
                (_("meter at the start"), number(obj.meter_start, "kWh")),
            ],
        )

    def heading(self, obj: Session) -> object:
        return session_pill(obj.status)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        counts = dict(Session.objects.ongoing().values_list("status").annotate(Count("pk")))
        chosen = request.GET.get("status__exact")
        chips = [
            {
                "label": status.label,
                "tone": STATUS_TONES[status],
                "count": counts[status.value],
                "url": f"?status__exact={status.value}",
                "current": chosen == status.value,
            }
            for status in ONGOING
            if counts.get(status.value)
        ]
        return super().changelist_view(request, {"chips": chips, **(extra_context or {})})

    @admin.display(description=_("started (UTC)"), ordering="start_date_time")
    def started(self, row: Session) -> object:
        return minute(row.start_date_time)

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Session) -> str:
        return session_pill(row.status)

    @admin.display(description=_("location and EVSE"), ordering="location__name")
    def place(self, row: Session) -> str:
        name = row.location.name or row.location.address
        return format_html("<div>{}</div>{}", link(row.location, name), link(row.evse))

    @admin.display(description=_("contract"))
    def contract(self, row: Session) -> object:
        return unbroken(row.token_contract_id)

    @admin.display(description=_("duration (h:mm)"))
    def duration(self, row: Session) -> str:
        end = row.end_date_time or clock.now()
        minutes = int((end - row.start_date_time).total_seconds() // 60)
        return f"{minutes // 60}:{minutes % 60:02}"

    @admin.display(description=_("energy"), ordering="kwh")
    def energy(self, row: Session) -> str:
        return unbroken(number(round(row.kwh, 2), "kWh"))

    @admin.display(description=_("cost before taxes"), ordering="total_cost_before_taxes")
    def cost(self, row: Session) -> str:
        return unbroken(money(row.total_cost_before_taxes, row.currency))


def _readings_panel(obj: Session, zone: str) -> Panel:
    readings: list[MeterReading] = list(obj.meter_readings.order_by("-at")[: READINGS_SHOWN + 1])
    more = len(readings) > READINGS_SHOWN
    return Panel(
        title=_("Meter readings"),
        note=_("The last %(count)s, newest first.") % {"count": READINGS_SHOWN} if more else "",
        columns=(_("at"), _("register"), _("power"), _("current"), _("vehicle asks for power")),
        numeric=frozenset({1, 2, 3}),
        rows=[
            (
                moment(reading.at, zone),
                number(reading.kwh, "kWh"),
                number(reading.power, "kW"),
                number(reading.current, "A"),
                gettext("yes") if reading.requesting_power else gettext("no"),
            )
            for reading in readings[:READINGS_SHOWN]
        ],
        empty=_("The station has not sent any meter values yet."),
    )


@admin.register(Cdr)
class CdrAdmin(RecordAdmin):
    """CDRs: what is billed. Nobody can change or delete one."""

    module = "cdrs"
    list_display = ("ended", "place", "contract", "energy", "cost", "cost_after", "kind")
    list_display_links = ("ended",)
    list_filter = (EndedFilter, "credit", "auth_method", "currency", PartyFilter)
    search_fields = (
        *("ocpi_id", "session_ocpi_id", "token_uid", "token_contract_id"),
        *("authorization_reference", "invoice_reference_id"),
    )
    search_help_text = _("Search by id, session, token or contract")
    ordering = ("-end_date_time",)
    empty_text = _("A CDR is issued when a session ends.")

    def panels(self, request: HttpRequest, obj: Cdr) -> list[Panel]:
        zone = str(obj.session.frozen_location.get("time_zone", "")) if obj.session else ""
        return [
            self._facts(obj, zone),
            self._place(obj),
            costs_panel(obj.costs, obj.currency),
            tariff_panel(obj.tariffs[0] if obj.tariffs else None),
            lines_panel(obj.price_lines, obj.currency, [obj.remark] if obj.remark else []),
            periods_panel(
                (
                    (
                        _as_moment(period["start_date_time"]),
                        period["dimensions"],
                        period.get("tariff_id", ""),
                    )
                    for period in obj.charging_periods
                ),
                zone,
                "",
            ),
        ]

    def _facts(self, obj: Cdr, zone: str) -> Panel:
        credit = [(_("credits the CDR"), self._credited(obj))] if obj.credit else []
        return Panel(
            title=_("CDR"),
            half=True,
            facts=[
                (_("id"), obj.ocpi_id),
                (_("party"), obj.party),
                *credit,
                (_("session"), link(obj.session, obj.session_ocpi_id) if obj.session else NONE),
                (_("started"), moment(obj.start_date_time, zone)),
                (_("ended"), moment(obj.end_date_time, zone)),
                (_("time zone"), zone or "UTC"),
                (_("energy"), number(obj.total_energy, "kWh")),
                (_("time"), number(obj.total_time, "h")),
                (_("parking time"), number(obj.total_parking_time, "h")),
                (_("cost before taxes"), money(obj.total_cost_before_taxes, obj.currency)),
                (_("cost after taxes"), money(obj.total_cost_after_taxes, obj.currency)),
                (_("authorised by"), obj.get_auth_method_display()),
                (_("authorisation reference"), obj.authorization_reference or NONE),
                *_token_facts(obj),
                (_("invoice reference"), obj.invoice_reference_id or NONE),
                (_("issued (UTC)"), moment(obj.last_updated)),
            ],
        )

    def _credited(self, obj: Cdr) -> str:
        row = Cdr.objects.filter(
            country_code=obj.country_code, party_id=obj.party_id, ocpi_id=obj.credit_reference_id
        ).first()
        return link(row, obj.credit_reference_id) if row else obj.credit_reference_id

    def _place(self, obj: Cdr) -> Panel:
        place = obj.cdr_location
        coordinates = place.get("coordinates") or {}
        return Panel(
            title=_("Place, as it was when the session started"),
            half=True,
            facts=[
                (_("location"), place.get("name") or place.get("id", NONE)),
                (
                    _("address"),
                    ", ".join(
                        str(place[name])
                        for name in ("address", "postal_code", "city", "country")
                        if place.get(name)
                    ),
                ),
                (
                    _("coordinates"),
                    f"{coordinates.get('latitude', '')}, {coordinates.get('longitude', '')}",
                ),
                (_("EVSE"), place.get("evse_id", NONE)),
                (_("uid"), place.get("evse_uid", NONE)),
                (_("connector"), place.get("connector_id", NONE)),
                (_("standard"), str(place.get("connector_standard", "")).replace("_", " ")),
                (_("format"), place.get("connector_format", NONE)),
                (_("power type"), place.get("connector_power_type", NONE)),
                (_("meter"), obj.meter_id or NONE),
                (_("signed data"), (obj.signed_data or {}).get("encoding_method", NONE)),
            ],
        )

    def heading(self, obj: Cdr) -> object:
        return pill(_("Credit CDR"), "amber") if obj.credit else ""

    @admin.display(description=_("ended (UTC)"), ordering="end_date_time")
    def ended(self, row: Cdr) -> object:
        return minute(row.end_date_time)

    @admin.display(description="", ordering="credit")
    def kind(self, row: Cdr) -> object:
        return pill(_("Credit"), "amber") if row.credit else ""

    @admin.display(description=_("location"))
    def place(self, row: Cdr) -> str:
        return str(row.cdr_location.get("name") or row.cdr_location.get("address", ""))

    @admin.display(description=_("contract"))
    def contract(self, row: Cdr) -> object:
        return unbroken(row.token_contract_id)

    @admin.display(description=_("energy"), ordering="total_energy")
    def energy(self, row: Cdr) -> str:
        return unbroken(number(round(row.total_energy, 2), "kWh"))

    @admin.display(description=_("before taxes"), ordering="total_cost_before_taxes")
    def cost(self, row: Cdr) -> str:
        return unbroken(money(row.total_cost_before_taxes, row.currency))

    @admin.display(description=_("after taxes"), ordering="total_cost_after_taxes")
    def cost_after(self, row: Cdr) -> str:
        return unbroken(money(row.total_cost_after_taxes, row.currency))


def _as_moment(text: str) -> datetime | None:
    value = parse_datetime(text)
    return value if isinstance(value, datetime) else None


@admin.register(Token)
class TokenAdmin(RecordAdmin):
    """Tokens of e-mobility providers: they own them, we keep what they say."""

    list_display = (
        "uid",
        "type_text",
        "owner",
        "contract_id",
        "issuer",
        "valid",
        "white",
        "updated",
    )
    list_display_links = ("uid",)
    list_filter = ("valid", "whitelist", "type")
    search_fields = ("uid", "contract_id", "visual_number", "issuer", "group_id")
    search_help_text = _("Search by uid, contract, printed number, issuer or group")
    ordering = ("country_code", "party_id", "uid")
    empty_text = _("Tokens come from partners: invite an e-mobility provider.")

    def panels(self, request: HttpRequest, obj: Token) -> list[Panel]:
        contract = obj.energy_contract or {}
        sessions = reverse("admin:sessions_app_session_changelist")
        return [
            Panel(
                title=_("Token"),
                half=True,
                facts=[
                    (_("provider"), f"{obj.country_code}*{obj.party_id}"),
                    (_("uid"), obj.uid),
                    (_("type"), dict(TokenType.choices).get(obj.type, obj.type)),
                    (_("contract"), obj.contract_id),
                    (_("printed number"), obj.visual_number or NONE),
                    (_("issuer"), obj.issuer),
                    (_("group"), obj.group_id or NONE),
                    (_("sessions"), link_to(f"{sessions}?q={obj.uid}", _("show"))),
                ],
            ),
            Panel(
                title=_("What it may do"),
                half=True,
                facts=[
                    (_("valid"), gettext("yes") if obj.valid else gettext("no")),
                    (_("whitelist"), obj.get_whitelist_display()),
                    (_("language"), obj.language or NONE),
                    (
                        _("default charging preference"),
                        obj.get_default_profile_type_display() or NONE,
                    ),
                    (_("energy supplier"), contract.get("supplier_name", NONE)),
                    (_("energy contract"), contract.get("contract_id", NONE)),
                    (_("changed by its owner (UTC)"), moment(obj.last_updated)),
                    *((name, str(value)) for name, value in obj.unknown_fields.items()),
                ],
            ),
        ]

    def heading(self, obj: Token) -> object:
        return pill(_("valid"), "green") if obj.valid else pill(_("not valid"), "red")

    @admin.display(description=_("provider"), ordering="country_code")
    def owner(self, row: Token) -> str:
        return f"{row.country_code}*{row.party_id}"

    @admin.display(description=_("type"), ordering="type")
    def type_text(self, row: Token) -> str:
        return str(dict(TokenType.choices).get(row.type, row.type))

    @admin.display(description=_("whitelist"), ordering="whitelist")
    def white(self, row: Token) -> str:
        return row.get_whitelist_display()

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Token) -> object:
        return minute(row.last_updated)
