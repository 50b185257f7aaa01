"""Alerts as states: what is wrong opens, stays and closes; what opens gets an incident."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet

from cpo_platform.alerting import grouping
from cpo_platform.alerting.grouping import Group, Item, World
from cpo_platform.alerting.kinds import OF_CONNECTIONS
from cpo_platform.alerting.models import Alert, Cause, Incident, Kind, Rule
from cpo_platform.alerting.wrongs import Wrong
from locations.models import Location
from ocpp_gateway.models import Station, StationState
from roaming.models import Partner, PartnerStatus

# What comes back within so long is the same alert, and the same incident: nobody is told again.
COMES_BACK = timedelta(minutes=15)
# What opens within so long of each other may have one cause.
TOGETHER = timedelta(minutes=5)
# How long what is over is kept, and how much of it is forgotten at a time.
KEPT = timedelta(days=400)
FORGOTTEN_AT_ONCE = 5000
_FAILING = frozenset([Kind.PARTNER_FAILING, Kind.PARTNER_LAG])


@transaction.atomic
def tend_rule(*, rule_id: int, wrongs: Iterable[Wrong], now: datetime) -> None:
    """Open, keep and close the alerts of a rule by what it finds wrong now."""
    rule = Rule.objects.select_for_update().get(pk=rule_id)
    wrong = {one.key: one for one in wrongs}
    known = {alert.key: alert for alert in Alert.objects.filter(rule=rule, closed_at=None)}
    delay = timedelta(minutes=rule.delay_minutes)
    _begin(rule, [one for key, one in wrong.items() if key not in known], delay, now)
    _keep([known[key] for key in wrong.keys() & known.keys()], wrong, delay, now)
    gone = [alert for key, alert in known.items() if key not in wrong]
    _let_go(gone, timedelta(minutes=rule.clear_minutes), now)
    Rule.objects.filter(pk=rule.pk).update(looked_at=now)


@transaction.atomic
def close_those_switched_off(*, now: datetime) -> None:
    """Close the alerts of rules that are off."""
    off = Alert.objects.filter(rule__is_on=False, closed_at=None)
    off.filter(opened_at=None).delete()
    off.update(closed_at=now, last_seen_at=now)


@transaction.atomic
def forget(*, now: datetime) -> int:
    """Delete some of what has been over for long; return how many rows that were."""
    old = now - KEPT
    alerts = Alert.objects.filter(closed_at__lt=old).order_by("pk").values("pk")
    count, _by_model = Alert.objects.filter(pk__in=alerts[:FORGOTTEN_AT_ONCE]).delete()
    incidents = Incident.objects.filter(closed_at__lt=old).order_by("pk").values("pk")
    more, _by_model = Incident.objects.filter(pk__in=incidents[:FORGOTTEN_AT_ONCE]).delete()
    return count + more


def _begin(rule: Rule, wrongs: list[Wrong], delay: timedelta, now: datetime) -> None:
    """Make the alerts of what is new; what was closed a moment ago goes on."""
    if not wrongs:
        return
    lately = Alert.objects.filter(
        rule=rule,
        closed_at__gt=now - COMES_BACK,
        opened_at__isnull=False,
        key__in=[one.key for one in wrongs],
    )
    back = dict(lately.order_by("closed_at").values_list("key", "pk"))
    Alert.objects.filter(pk__in=back.values()).update(closed_at=None, last_seen_at=None)
    Alert.objects.bulk_create(
        [_alert(rule, one, delay, now) for one in wrongs if one.key not in back], batch_size=1000
    )


def _alert(rule: Rule, one: Wrong, delay: timedelta, now: datetime) -> Alert:
    since = min(one.since, now)
    return Alert(
        rule=rule,
        key=one.key,
        subject=one.subject,
        subject_id=one.subject_id,
        station_id=one.station_id,
        location_id=one.location_id,
        partner_id=one.partner_id,
        country_code=one.country_code,
        party_id=one.party_id,
        params=dict(one.params),
        since=since,
        opened_at=now if now - since >= delay else None,
    )


def _keep(alerts: list[Alert], wrong: Mapping[str, Wrong], delay: timedelta, now: datetime) -> None:
    """Open what has lasted for long enough; forget that others were right for a moment."""
    due = [one.pk for one in alerts if one.opened_at is None and now - one.since >= delay]
    Alert.objects.filter(pk__in=due).update(opened_at=now)
    again = [one.pk for one in alerts if one.last_seen_at is not None]
    Alert.objects.filter(pk__in=again).update(last_seen_at=None)
    changed = [one for one in alerts if one.params != wrong[one.key].params]
    for one in changed:
        one.params = dict(wrong[one.key].params)
    Alert.objects.bulk_update(changed, ["params"], batch_size=500)


def _let_go(alerts: list[Alert], clear: timedelta, now: datetime) -> None:
    """Close what has been right for long enough; what never opened is forgotten."""
    Alert.objects.filter(pk__in=[one.pk for one in alerts if one.opened_at is None]).delete()
    opened = [one for one in alerts if one.opened_at is not None]
    right = [one.pk for one in opened if one.last_seen_at is None]
    Alert.objects.filter(pk__in=right).update(last_seen_at=now)
    over = [one.pk for one in opened if now - (one.last_seen_at or now) >= clear]
    Alert.objects.filter(pk__in=over).update(closed_at=now)


@transaction.atomic
def group_alerts(*, now: datetime) -> None:
    """Put what has opened lately into incidents by its likely cause, and bring all up to date."""
    lately = Q(incident__isnull=True) | Q(opened_at__gt=now - TOGETHER)
    rows = Alert.objects.filter(lately, opened_at__isnull=False, closed_at=None)
    alerts = {alert.pk: alert for alert in rows.select_related("rule", "incident").order_by("pk")}
    if any(alert.incident_id is None for alert in alerts.values()):
        groups = grouping.group([_item(alert) for alert in alerts.values()], _world(alerts, now))
        names = _site_names(groups)
        for one in groups:
            _place(one, alerts, names, now)
    _count(now)


def _item(alert: Alert) -> Item:
    kind = Kind(alert.rule.kind)
    return Item(
        id=alert.pk,
        rule_id=alert.rule_id,
        key=alert.key,
        station_id=alert.station_id,
        location_id=alert.location_id,
        partner_id=alert.partner_id,
        is_offline=kind is Kind.STATION_OFFLINE,
        of_connection=kind in OF_CONNECTIONS,
        is_failing=kind in _FAILING,
    )


def _world(alerts: Mapping[int, Alert], now: datetime) -> World:
    stations = Station.objects.filter(state=StationState.PLACED)
    dark = {
        alert.location_id
        for alert in alerts.values()
        if alert.location_id and alert.rule.kind == Kind.STATION_OFFLINE
    }
    counts = stations.filter(location__in=dark).values_list("location_id").annotate(Count("pk"))
    partners = Partner.objects.filter(status=PartnerStatus.REGISTERED).count()
    is_failing = any(alert.rule.kind in _FAILING for alert in alerts.values())
    fresh = Incident.objects.filter(closed_at=None, grown_at__gt=now - COMES_BACK)
    return World(
        stations=dict(counts.order_by()) if dark else {},
        sites=stations.aggregate(n=Count("location", distinct=True))["n"] if dark else 0,
        partners=partners if is_failing else 0,
        gateway_missing=Alert.objects.filter(
            key="platform:gateway", opened_at__isnull=False, closed_at=None
        ).exists(),
        open_keys=frozenset(fresh.values_list("key", flat=True)),
    )


def _site_names(groups: Iterable[Group]) -> dict[int, str]:
    ids = {one.items[0].location_id for one in groups if one.cause == Cause.SITE}
    rows = Location.objects.filter(pk__in=[pk for pk in ids if pk])
    return {pk: name or address for pk, name, address in rows.values_list("pk", "name", "address")}


def _place(
    one: Group, alerts: Mapping[int, Alert], names: Mapping[int, str], now: datetime
) -> None:
    """Put the alerts of a group into its incident, which is made, or takes another cause."""
    its = [alerts[item.id] for item in one.items if _may_move(alerts[item.id], one)]
    if not its or all(
        alert.incident is not None and alert.incident.key == one.key for alert in its
    ):
        return
    incident = _incident_of(one, its) or Incident(
        key=one.key, cause=one.cause, severity=1, opened_at=now, grown_at=now
    )
    _describe(incident, one, its, names)
    incident.closed_at = None
    incident.grown_at = now
    left = {alert.incident_id for alert in its if alert.incident_id} - {incident.pk}
    # Not what staff says of it, which may be written at this moment.
    incident.save(update_fields=_OURS if incident.pk else None)
    Alert.objects.filter(pk__in=[alert.pk for alert in its]).update(incident=incident)
    _recount(incident)
    _merge(left, incident, now)


# What a cause has taken away, by a column of its alerts.
_TAKEN: Mapping[str, str] = {
    Cause.SITE: "station_id",
    Cause.GATEWAY: "location_id",
    Cause.OUTBOUND: "partner_id",
    Cause.MANY: "key",
}


def _recount(incident: Incident) -> None:
    """Say how much a cause has taken away, with what has joined later."""
    column = _TAKEN.get(incident.cause)
    if column is not None:
        rows = Alert.objects.filter(incident=incident)
        incident.params["count"] = rows.aggregate(n=Count(column, distinct=True))["n"]
        incident.save(update_fields=["params"])


def _may_move(alert: Alert, one: Group) -> bool:
    """Tell whether an alert goes to a group: what is part of something wide stays there."""
    known = alert.incident
    return known is None or known.key == one.key or _WIDTH[known.cause] < _WIDTH[one.cause]


_WIDTH: Mapping[str, int] = {
    Cause.ALONE: 0,
    Cause.STATION: 0,
    Cause.SITE: 1,
    Cause.OUTBOUND: 2,
    Cause.MANY: 2,
    Cause.GATEWAY: 3,
}
_OURS = (
    *("key", "cause", "params", "location", "partner", "country_code", "party_id"),
    *("closed_at", "grown_at"),
)


def _incident_of(one: Group, its: Collection[Alert]) -> Incident | None:
    """Return the incident that the alerts go to: the one of the cause, or the oldest of theirs."""
    open_one = Incident.objects.filter(key=one.key, closed_at=None).first()
    if open_one is not None:
        return open_one
    theirs = [
        alert.incident for alert in its if alert.incident and alert.incident.closed_at is None
    ]
    return min(theirs, key=lambda incident: incident.pk, default=None)


def _describe(incident: Incident, one: Group, its: list[Alert], names: Mapping[int, str]) -> None:
    """Say what is wrong, where: whatever all alerts have in common."""
    first = min(its, key=lambda alert: (-alert.rule.severity, alert.pk))
    known = incident.params if incident.pk and incident.key == one.key else {}
    incident.key, incident.cause = one.key, one.cause
    incident.params = {
        "kind": first.rule.kind,
        "alert": first.params,
        **known,
        "count": one.count,
        "total": one.total,
    }
    if one.cause == Cause.SITE:
        incident.params["site"] = names.get(first.location_id or 0, "")
    of_incident = {name: getattr(incident, name) for name in _COMMON} if known else {}
    for name in _COMMON:
        values = {getattr(alert, name) for alert in its} | (
            {of_incident[name]} if of_incident else set()
        )
        empty = "" if name in {"country_code", "party_id"} else None
        setattr(incident, name, values.pop() if len(values) == 1 else empty)


_COMMON = ("location_id", "partner_id", "country_code", "party_id")


def _merge(ids: set[int], into: Incident, now: datetime) -> None:
    """End incidents whose alerts have all become part of another; who was told is told of it."""
    empty = Incident.objects.filter(pk__in=ids, closed_at=None).annotate(n=Count("alerts"))
    for one in empty.filter(n=0):
        if one.told_at is None:
            one.delete()
            continue
        one.params = {**one.params, "merged_into": into.pk}
        one.closed_at = now
        one.save(update_fields=["params", "closed_at"])


def _count(now: datetime) -> None:
    """Bring counts and severities up to date; what has nothing wrong left is over.

    One whose alert has come back is open again, unless another has its cause by now.
    """
    wrong = Count("alerts", filter=Q(alerts__closed_at=None))
    worst = Max("alerts__rule__severity", filter=Q(alerts__closed_at=None))
    lately = Q(closed_at=None) | Q(closed_at__gt=now - COMES_BACK - COMES_BACK)
    rows = Incident.objects.filter(lately).annotate(
        all_of_it=Count("alerts"), wrong=wrong, worst=worst
    )
    for incident in rows:
        _bring_up_to_date(incident, now)


def _bring_up_to_date(incident: Any, now: datetime) -> None:
    values: dict[str, Any] = {
        "alert_count": incident.all_of_it,
        "open_count": incident.wrong,
        "severity": max(incident.worst or incident.severity, 1),
    }
    if not incident.wrong and incident.closed_at is None:
        values["closed_at"] = now
    elif incident.wrong and incident.closed_at is not None:
        if Incident.objects.filter(key=incident.key, closed_at=None).exists():
            _open_incidents(incident.key).update(grown_at=now)
            Alert.objects.filter(incident=incident, closed_at=None).update(
                incident=_open_incidents(incident.key).get()
            )
            return
        values |= {"closed_at": None, "round": incident.round + 1}
    changed = {name: value for name, value in values.items() if getattr(incident, name) != value}
    if changed:
        Incident.objects.filter(pk=incident.pk).update(**changed)


def _open_incidents(key: str) -> "QuerySet[Incident]":
    return Incident.objects.filter(key=key, closed_at=None)
