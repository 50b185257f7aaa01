"""What has to be sent to one partner: an object each, and the requests it takes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from django.conf import settings
from django.db.models import Q, QuerySet

from cpo_platform.common import clock
from cpo_platform.common.saying import Saying
from locations.models import Connector
from roaming import failures, visibility
from roaming.client import Party, Reply, Verdict, endpoint_url
from roaming.draining import asking
from roaming.models import (
    Change,
    Command,
    Delivery,
    Partner,
)
from roaming.ocpi.dialects import adapt
from roaming.ocpi.documents import SOURCES, bodies
from roaming.ocpi.pushing import (
    PLANS,
    Plan,
    Push,
    is_progress,
    may_be_held,
    plan_removal,
    plan_withdrawal,
    progress_pause,
)
from roaming.ocpi.target import BROADCAST, Row, Target, rows_of
from roaming.operations import commands
from sessions_app.models import Cdr

# After its timeout an eMSP expects no result any more (OCPI 2.2.1, mod_commands, CommandResponse).
RESULT_TIME = timedelta(seconds=commands.TIMEOUT_SECONDS)
# How long a CDR waits for the one before it, and a location for its tariffs.
HELD_UP = timedelta(seconds=2)


@dataclass(slots=True)
class Job:
    """One object on its way to one partner, and what came back.

    `delivery` is None where nothing has to be noted, as long as it arrives. `since` is when the
    first change of it happened, `done_at` when its answer came, both in seconds.
    """

    module: str
    object_id: int
    delivery: Delivery | None
    plan: Plan
    url: str
    sender: Party | None
    receiver: Party | None
    whole: Plan | None = None
    exact_url: bool = False
    was_uncertain: bool = False
    # Whether staff wanted the whole to be sent while it was under way.
    is_doubted: bool = False
    # Our note before we marked it.
    before: dict[str, Any] | None = None
    # Where the partner may have a CDR already, and where it turned out to have it.
    asks: tuple[str, ...] = ()
    found_at: str = ""
    # Whether it failed when we asked for it, not when we sent it.
    was_asked: bool = False
    # Whether the partner refused a CDR since it has it already.
    is_known: bool = False
    # Jobs of one chain go in a row: a credit after what it credits, and before what replaces it.
    chain: str = ""
    replies: list[Reply] = field(default_factory=list)
    verdict: Verdict | None = None
    reason: str = ""
    # When it was read from the rows.
    made_at: datetime = field(default_factory=lambda: clock.now())  # noqa: PLW0108  tests move it
    since: float | None = None
    done_at: float | None = None
    # What one of its changes came of: the correlation id of its requests.
    cause: str = ""
    is_replaced: bool = False

    @property
    def answered(self) -> bool:
        """Whether the partner answered for this object, and not just for itself or not at all."""
        if self.was_asked or not self.replies:
            return True
        return not self.replies[-1].is_about_the_partner

    @property
    def is_for_all(self) -> bool:
        """Whether the partner would say the same of every object."""
        return bool(self.replies) and self.replies[-1].is_for_all and not self.was_asked

    @property
    def went_astray(self) -> bool:
        """Whether nobody was at home at the partner's endpoint; 2003 is an object's absence."""
        if self.verdict is not Verdict.REFUSED or self.module not in PLANS:
            return False
        reply = self.replies[-1]
        return reply.http_status == 404 and reply.status_code != 2003

    @property
    def leaves_doubt(self) -> bool:
        """Whether it matters that we may never learn what became of this.

        Sent twice, it would leave the partner with something double; or it is the first that the
        partner gets of what we may have to take back from it, or takes it back.
        """
        if self.module in BROADCAST:
            held = self.delivery is not None and "digest" in self.delivery.sent
            taken_back = "digest" not in self.plan.sent
            return taken_back or (not held and any(one.method == "PUT" for one in self.plan.pushes))
        return any(
            push.method == "POST"
            or (push.method == "PATCH" and "charging_periods" in (push.body or {}))
            for push in self.plan.pushes
        )


def jobs_for(
    target: Target, module: str, object_ids: Sequence[int], *, whole: bool = False
) -> Iterator[Job]:
    """Return what has to be sent of these objects; what is gone is left to `removals`.

    `whole`: of what the partner turned out not to have.
    """
    if not object_ids:
        return
    deliveries = deliveries_of(target.partner, module, object_ids)
    if module == "commands":
        yield from _command_jobs(target, deliveries)
        return
    if module in {"profileresults", "chargingprofiles"}:
        # Late, since it builds its jobs of what is here.
        from roaming.draining import profiles

        if module not in target.dialect.push_off:
            yield from profiles.JOBS[module](target, deliveries)
        return
    url = endpoint_of(target, module)
    if url is not None:
        yield from _object_jobs(target, module, url, deliveries, whole=whole)


def removals(target: Target, object_ids: Sequence[int], *, position: int) -> Iterator[Job]:
    """Return the DELETEs of tariffs that the partner has and may not see any more.

    They go after the locations of their batch, whose connectors named them. Where the feed has
    another change of such a tariff behind `position`, so have its locations: it waits for that.
    """
    url = endpoint_of(target, "tariffs") if object_ids else None
    if url is None:
        return
    visible = visibility.tariffs_for(target.partner, now=target.audience.now)
    held = Delivery.objects.filter(
        partner=target.partner, module="tariffs", object_id__in=list(object_ids)
    ).exclude(object_id__in=visible.filter(pk__in=list(object_ids)).values("pk"))
    gone = {row.object_id: row for row in held if row.sent.get("path")}
    later = set(
        Change.objects.filter(module="tariffs", object_id__in=list(gone))
        .filter(Q(sequence__gt=position) | Q(sequence__isnull=True))
        .filter(Q(partner__isnull=True) | Q(partner=target.partner))
        .values_list("object_id", flat=True)
    )
    for object_id, delivery in gone.items():
        if object_id in later:
            continue
        plan = plan_removal(delivery.sent)
        owner = Party(*plan.pushes[0].path[:2])
        receiver = target.broadcast_to()
        yield job_for(delivery, plan, url, owner=owner, receiver=receiver)


def deliveries_of(partner: Partner, module: str, object_ids: Sequence[int]) -> dict[int, Delivery]:
    """Return our notes of what the partner has, by object; new ones where there was none yet."""
    deliveries = {
        delivery.object_id: delivery
        for delivery in Delivery.objects.filter(
            partner=partner, module=module, object_id__in=object_ids
        )
    }
    for object_id in object_ids:
        deliveries.setdefault(
            object_id, Delivery(partner=partner, module=module, object_id=object_id)
        )
    return deliveries


def endpoint_of(target: Target, module: str) -> str | None:
    """Return where a module is pushed to; None: the partner does not want to be told, it pulls."""
    if module in target.dialect.push_off:
        return None
    return endpoint_url(target.partner, module, "RECEIVER")


def _object_jobs(
    target: Target, module: str, url: str, deliveries: dict[int, Delivery], *, whole: bool
) -> Iterator[Job]:
    # By age: a credit comes after what it credits, whatever order the table has.
    visible = _visible(target, module).filter(pk__in=list(deliveries)).order_by("pk")
    rows = rows_of(visible, module)
    hidden: dict[int, Row] = {}
    if module == "locations":
        hidden = _withdrawn_locations(deliveries, rows)
    documents = bodies(
        [(object_id, row.last_updated) for object_id, row in (rows | hidden).items()],
        module=module,
        version=target.version,
        audience=target.audience,
    )
    last_place = asking.last_place(target.partner) if module == "cdrs" else None
    held_up = _HELD_UP[module](target, rows) if module in _HELD_UP else frozenset()
    for object_id, row in (rows | hidden).items():
        text = documents.get(object_id)
        if text is None or _must_wait(target, row):
            continue
        delivery = deliveries[object_id]
        if object_id in held_up:
            delivery.due_at = clock.now() + HELD_UP
            delivery.save()
            continue
        document = orjson.loads(
            adapt(text, module=module, dialect=target.dialect, version=target.version.number)
        )
        plan, all_of_it = _plans(
            target, module, row, document, delivery, hidden=object_id in hidden
        )
        if whole and all_of_it is not None:
            plan, all_of_it = all_of_it, None
        if not plan.pushes or _can_wait(plan, document, delivery):
            continue
        receiver = row.emsp or target.broadcast_to()
        job = job_for(delivery, plan, url, owner=row.owner, receiver=receiver)
        job.whole = all_of_it
        if module == "cdrs":
            job.asks = asking.places_of(
                document, stored_at=delivery.url, endpoint=url, last=last_place
            )
        job.exact_url = module == "cdrs"
        job.chain = row.chain
        yield job


def _plans(
    target: Target,
    module: str,
    row: Row,
    document: dict[str, Any],
    delivery: Delivery,
    *,
    hidden: bool,
) -> tuple[Plan, Plan | None]:
    """Return what to send, and what to send where the partner turns out not to have the object."""
    manner, path = target.manner, row.path
    if hidden:
        return plan_withdrawal(document, delivery.sent, path=path, manner=manner), None
    plan_for = PLANS[module]
    plan = plan_for(document, delivery.sent, path=path, manner=manner)
    if module == "cdrs":
        return plan, None
    return plan, plan_for(document, {}, path=path, manner=manner, whole=True)


def job_for(
    delivery: Delivery,
    plan: Plan,
    url: str,
    *,
    owner: Party | None,
    receiver: Party | None,
) -> Job:
    """Return the job to send what a plan says, from a party of ours to one of the partner's."""
    return Job(
        module=delivery.module,
        object_id=delivery.object_id,
        delivery=delivery,
        was_uncertain=bool(delivery.sent.get("uncertain")),
        plan=plan,
        url=url,
        sender=owner,
        receiver=receiver,
    )


def _after_other_cdrs(target: Target, rows: dict[int, Row]) -> frozenset[int]:
    """Return the CDRs whose session has an earlier one that is still to be sent: credits wait."""
    due = Delivery.objects.filter(partner=target.partner, module="cdrs", due_at__isnull=False)
    earlier = Cdr.objects.filter(
        pk__in=due.exclude(object_id__in=list(rows)).values("object_id"),
        session_ocpi_id__in={row.chain for row in rows.values()},
    )
    chains = set(earlier.values_list("session_ocpi_id", flat=True))
    return frozenset(object_id for object_id, row in rows.items() if row.chain in chains)


def _after_tariffs(target: Target, rows: dict[int, Row]) -> frozenset[int]:
    """Return the locations that name a tariff which the partner has yet to take."""
    if endpoint_of(target, "tariffs") is None:
        return frozenset()
    failed = Delivery.objects.filter(
        partner=target.partner, module="tariffs", delivered_at=None, refused_at=None
    ).exclude(error="")
    ids = list(failed.values_list("object_id", flat=True))
    if not ids:
        return frozenset()
    # What it may not see any more is not sent again.
    visible = visibility.tariffs_for(target.partner, now=target.audience.now).filter(pk__in=ids)
    named = Connector.objects.filter(tariffs__in=visible, evse__location__in=list(rows))
    return frozenset(named.values_list("evse__location", flat=True))


_HELD_UP: dict[str, Callable[[Target, dict[int, Row]], frozenset[int]]] = {
    "cdrs": _after_other_cdrs,
    "locations": _after_tariffs,
}


def _can_wait(plan: Plan, document: dict[str, Any], delivery: Delivery) -> bool:
    """Tell whether this is news that a partner need not have at once, and note when it is due."""
    if not is_progress(plan) or delivery.delivered_at is None or delivery.pk is None:
        return False
    now = clock.now()
    # OCPI 2.1.1 has another name for it.
    start = document.get("start_date_time") or document["start_datetime"]
    begun = datetime.fromisoformat(start)
    least = timedelta(seconds=settings.SESSION_UPDATE_SECONDS)
    due = delivery.delivered_at + progress_pause(now - begun, least=least)
    if due <= now:
        return False
    Delivery.objects.filter(pk=delivery.pk, due_at__isnull=True).update(due_at=due)
    return True


def _must_wait(target: Target, row: Row) -> bool:
    """Tell whether an object is for later: its owner is not introduced, or nobody is there.

    To a party that its hub cannot reach nothing is sent, and nothing is queued; when it is back,
    what it missed is announced (OCPI 2.2.1, mod_hub_client_info).
    """
    return not target.knows(row.owner) or target.is_away(row.emsp)


def _visible(target: Target, module: str) -> QuerySet[Any]:
    doors: dict[str, Any] = {
        "locations": visibility.locations_for,
        "tariffs": visibility.tariffs_for,
        "sessions": visibility.sessions_for,
        "cdrs": visibility.cdrs_for,
    }
    door = doors[module](target.partner, now=target.audience.now)
    return cast("QuerySet[Any]", door)


def _withdrawn_locations(
    deliveries: dict[int, Delivery], visible: dict[int, Row]
) -> dict[int, Row]:
    """Return the locations that the partner has and may no longer see: it must learn of that."""
    held = [
        object_id
        for object_id, delivery in deliveries.items()
        if object_id not in visible and may_be_held(delivery.sent)
    ]
    return rows_of(SOURCES["locations"].rows().filter(pk__in=held), "locations") if held else {}


def gave_up(delivery: Delivery, until: datetime, why: Saying) -> bool:
    """Tell whether an eMSP waits no longer for a result, and note why it never got it."""
    late = clock.now() > until
    if late:
        delivery.refused_at = clock.now()
        delivery.error = delivery.error or str(why)
        delivery.save()
    return late


def _command_jobs(target: Target, deliveries: dict[int, Delivery]) -> Iterator[Job]:
    rows = Command.objects.filter(partner=target.partner, pk__in=list(deliveries)).select_related(
        "location", "session", "reservation"
    )
    # In the order in which they were given: a result before what became of it later.
    for command in rows.order_by("pk"):
        delivery = deliveries[command.pk]
        if delivery.sent.get("delivered") or gave_up(
            delivery, command.received_at + RESULT_TIME, failures.COMMAND_TOO_LATE
        ):
            continue
        body = target.version.shapes.command_result(command.result, command.message)
        plan = Plan((Push("POST", (), body),), {"delivered": True})
        location = command.location
        owner = Party(location.country_code, location.party_id) if location else _asked(command)
        receiver = _asker(command) or target.broadcast_to()
        job = job_for(delivery, plan, command.response_url, owner=owner, receiver=receiver)
        job.exact_url = True
        yield job


def _asked(command: Command) -> Party | None:
    """Return the party of ours that a command was for which names nothing that we have."""
    asked = command.parameters.get("asked")
    return Party(*asked) if asked else None


def _asker(command: Command) -> Party | None:
    """Return the eMSP that a command is about: it has sent it, perhaps through a hub."""
    if command.token:
        return Party(command.token["country_code"], command.token["party_id"])
    if command.session:
        return Party(command.session.token_country_code, command.session.token_party_id)
    if command.reservation:
        reservation = command.reservation
        return Party(reservation.owner_country_code, reservation.owner_party_id)
    return None
