"""The one door to a partner's data: what of ours a partner may see, in pull, push and commands."""

from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, QuerySet

from locations.models import Evse, Location, LocationQuerySet
from roaming.models import Partner, Role
from sessions_app.models import Cdr, Session, SessionQuerySet, Token
from tariffs.models import Tariff, TariffQuerySet

NOTHING = Q(pk__in=[])


def locations_for(partner: Partner) -> LocationQuerySet:  # noqa: ARG001  every door asks who
    """Return the locations that a partner may see.

    Published ones, and those that are for certain tokens only; a location without an EVSE is none
    (OCPI 2.2.1, mod_locations, Location.publish and GET method).
    """
    return Location.objects.filter(
        Q(publish=True) | ~Q(publish_allowed_to=[]),
        Exists(Evse.objects.filter(location=OuterRef("pk"))),
    )


def tariffs_for(partner: Partner) -> TariffQuerySet:  # noqa: ARG001  every door asks who
    """Return the tariffs that a partner may see: those that are not deleted."""
    return Tariff.objects.in_use()


def sessions_for(partner: Partner) -> SessionQuerySet:
    """Return the sessions of the partner's own tokens."""
    return Session.objects.filter(_owned(partner, prefix="token_"))


def cdrs_for(partner: Partner) -> QuerySet[Cdr]:
    """Return the CDRs of the partner's own tokens."""
    return Cdr.objects.filter(_owned(partner, prefix="token_"))


def tokens_of(partner: Partner) -> QuerySet[Token]:
    """Return the tokens that the partner itself gave us."""
    return Token.objects.filter(_owned(partner, prefix=""))


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


def _owned(partner: Partner, *, prefix: str) -> Q:
    """Return the condition that a row belongs to one of the partner's eMSP roles."""
    owners = [
        Q(**{f"{prefix}country_code": role.country_code, f"{prefix}party_id": role.party_id})
        for role in partner.roles.all()
        if role.role == Role.EMSP and role.granted
    ]
    return reduce(or_, owners, NOTHING)


def own_tariffs(partner: Partner) -> frozenset[int]:
    """Return the ids of the tariffs that are not for every partner, but for this one."""
    return frozenset(partner.tariffs.values_list("pk", flat=True))
