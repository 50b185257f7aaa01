"""The one door to a partner's data: what of ours a partner may see, in pull, push and commands.

A door is a list of named rules, and so is the explanation that staff reads: they cannot disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from locations.models import Location, LocationGroup, LocationQuerySet
from roaming.models import Partner, PartnerStatus, Role
from sessions_app.models import (
    Cdr,
    Reservation,
    ReservationStatus,
    Session,
    SessionQuerySet,
    SessionStatus,
)
from tariffs.models import ORDINARY_TYPES, Party, Tariff, TariffQuerySet, valid_at

NOTHING = Q(pk__in=[])
EVERYTHING = Q(pk__isnull=False)

# How long a location whose every EVSE is REMOVED is still served: pullers must learn of it.
REMOVED_KEPT = timedelta(days=30)

# A connection of this version is with one party of ours, and its objects name no owner.
ONE_PARTY = "2.1.1"


@dataclass(frozen=True)
class Rule:
    """One condition that an object must meet, and how staff reads whether it does."""

    name: str
    condition: Q
    met: str | Promise
    broken: str | Promise


@dataclass(frozen=True)
class Reason:
    """One step of an explanation: whether it is in the way, in plain words.

    `decides`: the door itself turns on it; the others tell what happens behind the door.
    """

    name: str
    ok: bool
    text: str
    decides: bool = True


def locations_for(partner: Partner, *, now: datetime) -> LocationQuerySet:
    """Return the locations that a partner may see."""
    return Location.objects.filter(location_door(partner, now=now))


def location_door(partner: Partner, *, now: datetime) -> Q:
    """Return the condition that a location is one that the partner may see."""
    return _all(location_rules(partner, now=now))


def location_rules(partner: Partner, *, now: datetime) -> tuple[Rule, ...]:
    """Return what a location must meet, so that a partner may see it, in the order of reading.

    Published ones, and those that are for certain tokens only, which 2.1.1 cannot say; a location
    without an EVSE is none (OCPI 2.2.1, mod_locations, Location.publish and GET method).
    """
    published = Q(publish=True)
    unpublished = _(
        "It is not published: OCPI 2.1.1 cannot keep a location for certain tokens, so the "
        "partner does not get it."
    )
    if not is_one_party(partner):
        published |= ~Q(publish_allowed_to=[])
        unpublished = _("It is not published, and it names no tokens that may see it.")
    return (
        _registered(partner),
        _party_rule(partner),
        Rule(
            "evses",
            Q(evses_in_place__isnull=False),
            _("It has EVSEs."),
            _("It has no EVSE yet: a location without EVSEs is sent to nobody."),
        ),
        Rule(
            "publish",
            published,
            _("It is published, or it names the tokens that may see it."),
            unpublished,
        ),
        _group_rule(partner),
        Rule(
            "retention",
            Q(evses_in_place=True) | Q(last_updated__gte=now - REMOVED_KEPT),
            _("It has EVSEs that are in place, or they were removed lately."),
            _("Its EVSEs were all removed, more than 30 days ago."),
        ),
    )


def _registered(partner: Partner) -> Rule:
    registered = partner.status == PartnerStatus.REGISTERED
    return Rule(
        "registered",
        EVERYTHING if registered else NOTHING,
        _("The partner is registered."),
        _("The partner is not registered: it can see nothing."),
    )


def _party_rule(partner: Partner) -> Rule:
    return Rule(
        "party",
        _of_its_party(partner),
        _("The partner deals with the party that owns it."),
        _(
            "It belongs to another party of ours: an OCPI 2.1.1 connection is with one party, "
            "set at the partner."
        ),
    )


def _group_rule(partner: Partner) -> Rule:
    groups = LocationGroup.objects.filter(locations=OuterRef("pk"), partners=partner.pk)
    return Rule(
        "groups",
        EVERYTHING if partner.all_locations else Q(Exists(groups)),
        _("The partner sees every location, or a group of it that this one is in."),
        _("The partner sees certain location groups only, and this location is in none of them."),
    )


def explain_door(partner: Partner, location: Location, *, now: datetime) -> list[Reason]:
    """Tell rule by rule whether a partner may see a location. One query."""
    rules = location_rules(partner, now=now)
    return _explain(rules, Location.objects.filter(pk=location.pk))


def partners_that_see(
    partners: Sequence[Partner], location: Location, *, now: datetime
) -> frozenset[int]:
    """Return the ids of those of the partners that may see a location. One query for all."""
    if not partners:
        return frozenset()
    doors = {f"sees_{partner.pk}": location_door(partner, now=now) for partner in partners}
    row = _answers(Location.objects.filter(pk=location.pk), doors)
    return frozenset(partner.pk for partner in partners if row[f"sees_{partner.pk}"])


def tariffs_for(partner: Partner, *, now: datetime) -> TariffQuerySet:
    """Return the tariffs that a partner may see."""
    return Tariff.objects.filter(_all(tariff_rules(partner, now=now)))


def tariff_rules(partner: Partner, *, now: datetime) -> tuple[Rule, ...]:
    """Return what a tariff must meet, so that a partner may see it.

    2.1.1 has neither types nor a period of validity: only what holds for every session, now.
    """
    rules = (
        _registered(partner),
        _party_rule(partner),
        Rule(
            "deleted",
            Q(deleted_at__isnull=True),
            _("The tariff is in use."),
            _("The tariff is deleted."),
        ),
        Rule(
            "own",
            Q(public=True)
            | Q(
                Exists(
                    Tariff.partners.through.objects.filter(
                        tariff=OuterRef("pk"), partner=partner.pk
                    )
                )
            ),
            _("The tariff is for every partner, or for this one."),
            _("The tariff is for certain partners only, and this one is not among them."),
        ),
    )
    if not is_one_party(partner):
        return rules
    return (
        *rules,
        Rule(
            "type",
            Q(type__in=ORDINARY_TYPES),
            _("The tariff is for every session."),
            _("OCPI 2.1.1 has no tariff types: only tariffs for every session are sent."),
        ),
        Rule(
            "validity",
            valid_at(now),
            _("The tariff is valid now."),
            _("OCPI 2.1.1 knows no period of validity: only tariffs that are valid now are sent."),
        ),
    )


def sessions_for(partner: Partner, *, now: datetime) -> SessionQuerySet:  # noqa: ARG001  as its peers
    """Return the sessions of the partner's own tokens.

    2.1.1 has no status RESERVATION: it is told of a reservation once the vehicle charges.
    """
    found = Session.objects.filter(_registered(partner).condition, _owned(partner, "token_"))
    if not is_one_party(partner):
        return found
    return found.filter(
        ~Q(status=SessionStatus.RESERVATION),
        ~Q(Exists(_unused_reservations("pk"))),
        _of_its_party(partner),
        evse__isnull=False,
    )


def cdrs_for(partner: Partner, *, now: datetime) -> QuerySet[Cdr]:  # noqa: ARG001  as its peers
    """Return the CDRs of the partner's own tokens.

    2.1.1 has no credit CDRs, and none for a reservation that nobody came for. Nor is it sent what
    replaces a CDR that it has: it would pay for both.
    """
    found = Cdr.objects.filter(_registered(partner).condition, _owned(partner, "token_"))
    if not is_one_party(partner):
        return found
    return found.filter(
        ~Q(Exists(_unused_reservations("session"))),
        Q(session__isnull=True) | Q(session__evse__isnull=False),
        _of_its_party(partner),
        credit=False,
        replaces__isnull=True,
    )


def _unused_reservations(session: str) -> QuerySet[Reservation]:
    return Reservation.objects.filter(session=OuterRef(session)).exclude(
        status=ReservationStatus.USED
    )


def is_one_party(partner: Partner) -> bool:
    """Tell whether the partner's connection is with one party of ours (OCPI 2.1.1)."""
    return partner.version == ONE_PARTY


def our_party_of(partner: Partner) -> Party | None:
    """Return the party of ours that a 2.1.1 connection is with; None while there is none."""
    return _its_party(partner).first()


def _its_party(partner: Partner) -> QuerySet[Party]:
    if partner.our_party_id is not None:
        return Party.objects.filter(pk=partner.our_party_id)
    oldest = Party.objects.order_by("pk").values("pk")[:1]
    return Party.objects.filter(pk=Subquery(oldest))


def _of_its_party(partner: Partner) -> Q:
    if not is_one_party(partner):
        return EVERYTHING
    return Q(
        Exists(
            _its_party(partner).filter(
                country_code=OuterRef("country_code"), party_id=OuterRef("party_id")
            )
        )
    )


def emsps_of(partner: Partner) -> list[tuple[str, str]]:
    """Return the eMSPs that the partner speaks for: country code and party id."""
    return [
        (role.country_code, role.party_id)
        for role in sorted(partner.roles.all(), key=lambda role: role.pk)
        if role.role == Role.EMSP and role.granted
    ]


def is_emsp(partner: Partner, country_code: str, party_id: str) -> bool:
    """Tell whether the partner speaks for this party as its eMSP: whose tokens it may write.

    In another role it may not: several partners may name one party, each in its own role.
    """
    wanted = (country_code.lower(), party_id.lower())
    return any(
        role.role == Role.EMSP
        and role.granted
        and (role.country_code.lower(), role.party_id.lower()) == wanted
        for role in partner.roles.all()
    )


def own_tariffs(partner: Partner) -> frozenset[int]:
    """Return the ids of the tariffs that are not for every partner, but for this one."""
    return frozenset(partner.tariffs.values_list("pk", flat=True))


def _owned(partner: Partner, prefix: str) -> Q:
    """Return the condition that a row belongs to one of the partner's eMSP roles."""
    owners = [
        Q(**{f"{prefix}country_code": role.country_code, f"{prefix}party_id": role.party_id})
        for role in partner.roles.all()
        if role.role == Role.EMSP and role.granted
    ]
    return reduce(or_, owners, NOTHING)


def _all(rules: Sequence[Rule]) -> Q:
    return reduce(and_, (rule.condition for rule in rules))


def _explain(rules: Sequence[Rule], rows: QuerySet[Location]) -> list[Reason]:
    row = _answers(rows, {rule.name: rule.condition for rule in rules})
    return [
        Reason(rule.name, ok, str(rule.met if ok else rule.broken))
        for rule in rules
        for ok in [row[rule.name]]
    ]


def _answers(rows: QuerySet[Location], questions: dict[str, Q]) -> dict[str, bool]:
    """Return which conditions one row meets; none, if it is not there."""
    asked = {
        f"rule_{name}": Case(When(condition, then=True), default=False)
        for name, condition in questions.items()
    }
    row = rows.annotate(**asked).values(*asked).first() or {}
    return {name: bool(row.get(f"rule_{name}")) for name in questions}
