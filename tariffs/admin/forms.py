"""The form of a tariff with its elements."""

from functools import partial
from itertools import product
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget  # type: ignore[import-untyped]

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    Findings,
    PartsForm,
    green_field,
    mix_document,
    mix_values,
    number,
    sources_field,
)
from cpo_platform.common.formfields import text_field, texts_field
from cpo_platform.common.money import CURRENCIES
from cpo_platform.common.shapes import Problem, ShapeError, parse
from tariffs import operations
from tariffs.admin.elements import (
    ELEMENT_FORMSET,
    ElementForm,
    ElementFormSet,
    amount_field,
    element_values,
)
from tariffs.admin.parties import PartyField
from tariffs.admin.sentences import element_sentence
from tariffs.models import Tariff, TariffType
from tariffs.shapes import TariffShape

PRICE_LIMITS = tuple(
    f"{end}_price_{tax}_taxes" for end, tax in product(("min", "max"), ("before", "after"))
)


def _price_limit(label: Any, help_text: Any = "") -> forms.DecimalField:
    return amount_field(label, help_text=help_text)


def _order_of(card: tuple[ElementForm, str]) -> int:
    """Return the order number of an element's form, as it was sent."""
    value = str(card[0]["order"].value() or "")
    return int(value) if value.isdecimal() and len(value) < 4 else 1000


class TariffForm(PartsForm):
    """A tariff with its elements, in OCPI's order."""

    party = PartyField()
    ocpi_id = text_field(
        label=_("id"),
        max_length=36,
        required=True,
        help_text=_("Names the tariff towards partners. This cannot be changed later."),
    )
    currency = forms.CharField(
        label=_("currency"),
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "EUR"}),
        help_text=_("Three letters (ISO 4217): EUR, JPY."),
    )
    texts = texts_field(
        label=_("text for drivers"),
        help_text=_(
            "One line per language, such as “en: Free parking at night”. Apps read the prices "
            "from the elements: OCPI wants nothing here but what is to be said beside them. The "
            "preview writes a text from the prices, for apps that show this alone."
        ),
    )
    min_price_before_taxes = _price_limit(
        _("minimum price before taxes"), _("A session costs at least this; not a fee on top.")
    )
    min_price_after_taxes = _price_limit(_("after taxes"))
    max_price_before_taxes = _price_limit(
        _("maximum price before taxes"), _("A session costs at most this.")
    )
    max_price_after_taxes = _price_limit(_("after taxes"))
    change_at = forms.DateTimeField(
        label=_("new prices from (UTC)"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )
    successor_id = text_field(label=_("id of the new version"), max_length=36)
    green = green_field()
    supplier_name = text_field(label=_("supplier"), max_length=64)
    energy_product_name = text_field(label=_("energy product"), max_length=64)
    energy_sources = sources_field()

    places = {
        "id": "ocpi_id",
        "country_code": "party",
        "party_id": "party",
        "tariff_alt_text": "texts",
        "min_price.before_taxes": "min_price_before_taxes",
        "min_price.after_taxes": "min_price_after_taxes",
        "max_price.before_taxes": "max_price_before_taxes",
        "max_price.after_taxes": "max_price_after_taxes",
        "energy_mix": "green",
        "energy_mix.supplier_name": "supplier_name",
        "energy_mix.energy_product_name": "energy_product_name",
        "energy_mix.energy_sources": "energy_sources",
    }
    fixed = ("party", "ocpi_id")
    part_name = "elements"
    part_title = _("element %(number)s")
    parts_are_wrong = _("Look at the elements below.")
    parts_are_missing = _("A tariff needs at least one element.")
    stand_in_part = {"price_components": [{"type": "ENERGY", "price": 0, "step_size": 1}]}
    refusals = {
        operations.UnknownParty: ("party", _("This party does not exist any more.")),
        operations.AlreadySuperseded: (
            None,
            _("This tariff has a new version already: change that one."),
        ),
        operations.NotValidThen: (
            "change_at",
            _("Choose a moment from now on, while this tariff is valid."),
        ),
        operations.TariffExists: ("successor_id", _("There is, or was, a tariff with this id.")),
        operations.IdTaken: ("ocpi_id", _("There is, or was, a tariff with this id.")),
        operations.OtherType: (
            "type",
            _(
                "A new version is for the same sessions. For others make another tariff, and "
                "choose it at the connectors."
            ),
        ),
        operations.SuccessorRefused: (
            "change_at",
            _("A connector has another tariff of this type that begins before this one ends."),
        ),
    }
    # Of what was written, and cannot be read: limits and dates that rule nothing out.
    stand_ins = {
        "party": "NL*XXX",
        "ocpi_id": "X",
        "currency": "EUR",
        "tax_included": "NO",
        **dict.fromkeys(("type", "tariff_alt_url", "supplier_name", "energy_product_name"), ""),
        **dict.fromkeys(PRICE_LIMITS, None),
        **dict.fromkeys(("preauthorize_amount", "start_date_time", "end_date_time"), None),
        **dict.fromkeys(("change_at", "successor_id"), None),
        **dict.fromkeys(("texts", "energy_sources"), ()),
    }
    # The preview looks at the prices whether or not they need a new version.
    asks = True
    must_answer = False
    superseded = False

    class Meta:
        model = Tariff
        fields = (
            "public",
            "type",
            "tariff_alt_url",
            "preauthorize_amount",
            "tax_included",
            "start_date_time",
            "end_date_time",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "type" in self.fields:
            kind = self.fields["type"]
            assert isinstance(kind, forms.ChoiceField)  # noqa: S101  the model has choices
            kind.choices = [("", _("Every session")), *TariffType.choices]
            kind.help_text = _("Which sessions it is for.")
        self.elements: ElementFormSet = ELEMENT_FORMSET(
            self.data if self.is_bound else None, prefix="elements", initial=self._elements()
        )
        if not self.is_bound:
            # They are the answer to a question that only saving asks.
            del self.fields["change_at"], self.fields["successor_id"]
        self._fix_seams()

    def _fix_seams(self) -> None:
        """Keep the moments at which versions of a tariff take over from each other."""
        row = self.instance
        if row.pk is None or "start_date_time" not in self.fields:
            return
        begun = row.start_date_time is None or row.start_date_time <= clock.now()
        if row.supersedes_id is not None:
            self.fields["start_date_time"].required = True
            self.fields["start_date_time"].disabled = begun
        if row.end_date_time is not None and row.successor() is not None:
            self.fields["end_date_time"].disabled = True

    @property
    def supersedes(self) -> bool:
        """Tell whether saving makes a new version: other prices of a tariff that is in use."""
        row = self.instance
        if row.pk is None or self.shape is None or not row.is_valid_at(clock.now()):
            return False
        if not operations.is_other_price(operations.shape_of(row), self.shape):
            return False
        return bool(row.connectors.exists())

    @property
    def asks_for_moment(self) -> bool:
        """Tell whether the page asks from when on new prices hold."""
        return self.is_bound and ("successor_id" in self.data or self.must_answer)

    @property
    def successor_field(self) -> str:
        """Return the field for the id of a new version, with a proposal in it."""
        bound = self["successor_id"]
        return str(bound.as_widget(attrs={"value": operations.proposed_id(self.instance)}))

    def clean(self) -> Any:
        super().clean()
        self.must_answer = False
        # Of a preview the id may be any.
        if self.asks and self.is_taken(Tariff.objects.all()):
            self.add_error("ocpi_id", self.refusals[operations.IdTaken][1])
        self._refuse_rewriting()
        if self.asks and not self.errors and self.supersedes:
            self._answer()
        return self.cleaned_data

    def _refuse_rewriting(self) -> None:
        """Refuse other prices where they have ended, and a beginning in the past."""
        row, now = self.instance, clock.now()
        if row.pk is None or self.errors or self.shape is None:
            return
        ended = row.end_date_time is not None and row.end_date_time <= now
        used = ended and (row.successor() is not None or row.connectors.exists())
        if used and operations.is_other_price(operations.shape_of(row), self.shape):
            self.add_error(
                None,
                _(
                    "This tariff has ended. Sessions and CDRs have its prices: they stay as they "
                    "are. Change the version that holds now."
                ),
            )
        start = self.shape.start_date_time
        moved = row.supersedes_id is not None and start != row.start_date_time
        if moved and start is not None and start < now:
            self.add_error(
                "start_date_time",
                _("Sessions have been sold at the old prices until now: choose a later moment."),
            )

    def _answer(self) -> None:
        """Take the answer on when new prices hold, or ask for it."""
        if "successor_id" not in self.data:
            self.must_answer = True
            self.add_error(
                None,
                _(
                    "Connectors use this tariff, and you have changed prices: say below from when "
                    "on the new prices hold."
                ),
            )
        elif not self.cleaned_data["successor_id"]:
            self.add_error("successor_id", _("The new version needs an id."))
        elif "public" in self.changed_data:
            self.add_error("public", _("A new version is for the same partners: save this apart."))

    def successor(self) -> TariffShape:
        """Return what takes over from this tariff.

        Raises:
            ShapeError: its id is none.

        """
        document = self.shape.model_dump() | {"id": self.cleaned_data["successor_id"]}
        # That of the old one: the successor has its own.
        return parse(TariffShape, document | {"start_date_time": None})

    def _elements(self) -> list[dict[str, Any]]:
        if self.instance.pk is None:
            return [{"order": 1}]
        elements = operations.shape_of(self.instance).elements
        return [
            element_values(element) | {"order": order}
            for order, element in enumerate(elements, start=1)
        ]

    def sentences(self) -> list[str]:
        """Return what each stored element says."""
        if self.instance.pk is None:
            return []
        shape = operations.shape_of(self.instance)
        return [element_sentence(element, shape.currency) for element in shape.elements]

    def element_cards(self) -> list[tuple[ElementForm, str]]:
        """Return the element forms with their sentences, in order."""
        sentences = self.sentences()
        cards = [
            (form, sentences[place] if place < len(sentences) else gettext("New element"))
            for place, form in enumerate(self.elements.forms)
        ]
        return sorted(cards, key=_order_of)

    def content_of(self, row: Tariff) -> str:
        return row.last_updated.isoformat()

    def values_of(self, row: Tariff) -> dict[str, Any]:
        limits = {
            name: None if (value := getattr(row, name)) is None else number(value)
            for name in (*PRICE_LIMITS, "preauthorize_amount")
        }
        return {
            "party": row.party,
            "ocpi_id": row.ocpi_id,
            "texts": row.tariff_alt_text,
            **mix_values(row.energy_mix),
            **limits,
        }

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).upper()
        if currency not in CURRENCIES:
            raise ValidationError(
                gettext("There is no currency with the code %(code)s: the euro is EUR.")
                % {"code": currency}
            )
        return currency

    def has_changed(self) -> bool:
        return super().has_changed() or self.elements.has_changed()

    def part_place_of(self, path: str) -> str:
        return super().part_place_of(path.removeprefix(".restrictions"))

    def build_with(self, parts: list[dict[str, Any]]) -> TariffShape:
        findings = Findings()
        document = self._document(parts, findings)
        return findings.whole(lambda: parse(TariffShape, document))  # type: ignore[no-any-return]

    def _document(self, elements: list[dict[str, Any]], findings: Findings) -> dict[str, Any]:
        data = self.cleaned_data
        country_code, _star, party_id = data["party"].partition("*")
        return {
            "country_code": country_code,
            "party_id": party_id,
            "id": data["ocpi_id"],
            "currency": data["currency"],
            "type": data["type"] or None,
            "tariff_alt_text": data["texts"] or None,
            "tariff_alt_url": data["tariff_alt_url"] or None,
            "min_price": findings.of(partial(self._limit, "min")),
            "max_price": findings.of(partial(self._limit, "max")),
            "preauthorize_amount": data["preauthorize_amount"],
            "elements": elements,
            "tax_included": data["tax_included"],
            "start_date_time": data["start_date_time"],
            "end_date_time": data["end_date_time"],
            "energy_mix": findings.of(self._mix),
        }

    def _mix(self) -> dict[str, Any] | None:
        impact = (self.instance.energy_mix or {}).get("environ_impact")
        return mix_document(self.cleaned_data, impact)

    def _limit(self, end: str) -> dict[str, Any] | None:
        before = self.cleaned_data[f"{end}_price_before_taxes"]
        after = self.cleaned_data[f"{end}_price_after_taxes"]
        if before is None and after is not None:
            raise ShapeError(
                [
                    Problem(
                        f"{end}_price.before_taxes",
                        gettext("A limit after taxes needs one before."),
                    )
                ]
            )
        return None if before is None else {"before_taxes": before, "after_taxes": after}
