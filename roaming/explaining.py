"""Why a partner can, or cannot, see a location: step by step, in plain words, for staff.

What decides comes from the door itself (`roaming.visibility`) and from what holds an object back
that breaks a version's rules; the rest tells whether it is pushed as well.
"""

from datetime import datetime

from django.utils.translation import gettext

from cpo_platform.common.admin.reasons import problem_in_words
from cpo_platform.common.clock import in_utc
from locations.models import Location
from roaming import visibility
from roaming.client import endpoint_url
from roaming.failures import in_words
from roaming.models import Delivery, Feed, Partner, Quarantined
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.dialects import dialect_of
from roaming.ocpi.handshake import unknown_parties
from roaming.ocpi.versions import VERSIONS
from roaming.visibility import Reason
from tariffs.models import Tariff


def explain_location(partner: Partner, location: Location, *, now: datetime) -> list[Reason]:
    """Return why a partner sees a location, or why not: what decides first, then how it is told.

    It sees it when every step that `decides` is ok: then it can pull it.
    """
    reasons = visibility.explain_door(partner, location, now=now)
    if partner.version not in VERSIONS:
        return reasons
    reasons.append(_rendering(partner, location, now))
    if not sees(reasons):
        return reasons
    reasons.append(_tariffs(partner, location, now))
    reasons += _push(partner, location)
    reasons.append(_delivery(partner, location))
    return reasons


def sees(reasons: list[Reason]) -> bool:
    """Tell what the reasons come to."""
    return all(reason.ok for reason in reasons if reason.decides)


def who_sees(partners: list[Partner], location: Location, *, now: datetime) -> frozenset[int]:
    """Return the ids of those of the partners that see a location.

    Two queries, however many partners; `tariffs` must be prefetched.
    """
    held_back = set(
        Quarantined.objects.filter(
            module="locations", object_id=location.pk, last_updated=location.last_updated
        ).values_list("version", flat=True)
    )
    seen = visibility.partners_that_see(partners, location, now=now)
    return frozenset(
        partner.pk
        for partner in partners
        if partner.pk in seen
        and (
            partner.version not in VERSIONS
            or _rendering_name(partner, frozenset(row.pk for row in partner.tariffs.all()), now)
            not in held_back
        )
    )


def _rendering_name(partner: Partner, own_tariffs: frozenset[int], now: datetime) -> str:
    return VERSIONS[partner.version].rendering(Audience(now, own_tariffs))


def _rendering(partner: Partner, location: Location, now: datetime) -> Reason:
    rendering = _rendering_name(partner, visibility.own_tariffs(partner), now)
    found = Quarantined.objects.filter(
        module="locations",
        object_id=location.pk,
        version=rendering,
        last_updated=location.last_updated,
    ).first()
    if found is None:
        text = gettext("OCPI %(version)s can express it.") % {"version": partner.version}
        return Reason("rendering", ok=True, text=text)
    problems = "; ".join(problem_in_words(problem) for problem in found.problems[:3])
    text = gettext("It breaks the rules of OCPI %(version)s and is held back: %(problems)s")
    values = {"version": partner.version, "problems": problems}
    return Reason("rendering", ok=False, text=text % values)


def _tariffs(partner: Partner, location: Location, now: datetime) -> Reason:
    used = Tariff.objects.filter(connectors__evse__location=location, deleted_at=None).distinct()
    total = used.count()
    visible = visibility.tariffs_for(partner, now=now).filter(pk__in=used.values("pk")).count()
    if not total:
        text = gettext("Its connectors have no tariffs: the partner sees no prices.")
        return Reason("tariffs", ok=False, text=text, decides=False)
    text = gettext("The partner sees %(visible)s of the %(total)s tariffs at its connectors.")
    values = {"visible": visible, "total": total}
    return Reason("tariffs", ok=visible > 0, text=text % values, decides=False)


def _push(partner: Partner, location: Location) -> list[Reason]:
    """Return whether changes are sent to the partner; if not, it must pull."""
    told = location.party.lower() not in {party.lower() for party in unknown_parties(partner)}
    off = "locations" in dialect_of(partner).push_off
    endpoint = endpoint_url(partner, "locations", "RECEIVER") is not None
    feed = Feed.objects.filter(partner=partner).first()
    steps = [
        (
            "introduced",
            told,
            gettext("The partner knows the party that owns it."),
            gettext(
                "The partner does not know the party that owns it yet: sending waits for that."
            ),
        ),
        (
            "push",
            not off,
            gettext("Changes of locations are sent to this partner."),
            gettext("Sending locations is switched off for this partner: it pulls them."),
        ),
        (
            "endpoint",
            endpoint,
            gettext("The partner has an address that locations are sent to."),
            gettext("The partner offers no address to send locations to: it pulls them."),
        ),
        (
            "feed",
            feed is not None and not feed.failures,
            gettext("Sending to this partner works."),
            gettext("Sending to this partner fails at the moment: %(error)s")
            % {"error": in_words(feed.last_error)[:200] if feed else gettext("there is no feed")},
        ),
    ]
    return [
        Reason(name, ok=ok, text=yes if ok else no, decides=False) for name, ok, yes, no in steps
    ]


def _delivery(partner: Partner, location: Location) -> Reason:
    delivery = Delivery.objects.filter(
        partner=partner, module="locations", object_id=location.pk
    ).first()
    if delivery is None or delivery.delivered_at is None:
        text = gettext("It was not sent to this partner yet.")
        return Reason("delivery", ok=False, text=text, decides=False)
    when = in_utc(delivery.delivered_at)
    if delivery.refused_at is not None:
        text = gettext("The partner refused it: %(error)s") % {"error": in_words(delivery.error)}
        return Reason("delivery", ok=False, text=text, decides=False)
    text = gettext("It was last sent at %(when)s.") % {"when": when}
    return Reason("delivery", ok=True, text=text, decides=False)
