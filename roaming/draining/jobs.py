"""What has to be sent to one partner: an object each, and the requests it takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from django.db.models import QuerySet

from cpo_platform.common import clock
from roaming import visibility
from roaming.client import Party, Reply, Verdict, endpoint_url
from roaming.models import Command, Delivery, Partner, Role
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.documents import SOURCES, bodies
from roaming.ocpi.pushing import PLANS, Plan, Push, plan_removal
from roaming.ocpi.versions import Version
from roaming.operations import commands

# After its timeout an eMSP expects no result any more (OCPI 2.2.1, mod_commands, CommandResponse).
RESULT_TIME = timedelta(seconds=commands.TIMEOUT_SECONDS)


@dataclass(frozen=True)
class Target:
    """The partner that is served, in its version; `untold` parties of ours it does not know."""

    partner: Partner
    version: Version
    untold: frozenset[str]
    audience: Audience


@dataclass
class Job:
    """One object on its way to one partner, and what came back."""

    module: str
    object_id: int
    delivery: Delivery
    plan: Plan
    url: str
    sender: Party | None
    receiver: Party | None
    whole: Plan | None = None
    exact_url: bool = False
    was_uncertain: bool = False
    replies: list[Reply] = field(default_factory=list)
    verdict: Verdict | None = None
    reason: str = ""

    @property
    def answered(self) -> bool:
        """Whether the partner answered for this object, and not just for itself or not at all."""
        return self.replies[-1].http_status not in {None, 401, 403, 429, 503}

    @property
    def appends(self) -> bool:
        """Whether sending this twice would leave the partner with something double."""
        return any(
            push.method == "POST"
            or (push.method == "PATCH" and "charging_periods" in (push.body or {}))
            for push in self.plan.pushes
        )


def jobs_for(target: Target, module: str, object_ids: Sequence[int]) -> Iterator[Job]:
    deliveries = {
        delivery.object_id: delivery
        for delivery in Delivery.objects.filter(
            partner=target.partner, module=module, object_id__in=object_ids
        )
    }
    for object_id in object_ids:
        deliveries.setdefault(
            object_id, Delivery(partner=target.partner, module=module, object_id=object_id)
        )
    if module == "commands":
        yield from _command_jobs(target, deliveries)
        return
    url = endpoint_url(target.partner, module, "RECEIVER")
    if url is None:
        # The partner does not want to be told; it pulls.
        return
    yield from _object_jobs(target, module, url, deliveries)


def _object_jobs(
    target: Target, module: str, url: str, deliveries: dict[int, Delivery]
) -> Iterator[Job]:
    wanted = _visible(target.partner, module).filter(pk__in=list(deliveries))
    moments = dict(wanted.values_list("id", "last_updated"))
    if module == "locations":
        moments |= _withdrawn_locations(deliveries, moments)
    documents = bodies(
        moments.items(), module=module, version=target.version, audience=target.audience
    )
    plan_for = PLANS[module]
    for object_id, delivery in deliveries.items():
        text = documents.get(object_id)
        if text is None:
            plan = plan_removal(delivery.sent) if module == "tariffs" else Plan((), delivery.sent)
            document, whole = {}, None
        else:
            document = orjson.loads(text)
            plan = plan_for(document, delivery.sent)
            whole = None if module == "cdrs" else plan_for(document, {}, whole=True)
        owner = _owner(document)
        if not plan.pushes or (owner and str(owner).lower() in target.untold):
            continue
        yield Job(
            module=module,
            object_id=object_id,
            delivery=delivery,
            was_uncertain=bool(delivery.sent.get("uncertain")),
            plan=plan,
            whole=whole,
            url=url,
            sender=owner,
            receiver=_receiver(target.partner, document),
            exact_url=module == "cdrs",
        )


def _visible(partner: Partner, module: str) -> QuerySet[Any]:
    doors: dict[str, Any] = {
        "locations": visibility.locations_for,
        "tariffs": visibility.tariffs_for,
        "sessions": visibility.sessions_for,
        "cdrs": visibility.cdrs_for,
    }
    return cast("QuerySet[Any]", doors[module](partner))


def _withdrawn_locations(
    deliveries: dict[int, Delivery], visible: dict[int, datetime]
) -> dict[int, datetime]:
    """Return the locations that the partner has and may no longer see: it must learn of that.

    They are sent once more, with `publish` false; a location cannot be deleted in OCPI.
    """
    held = [
        object_id
        for object_id, delivery in deliveries.items()
        if object_id not in visible and delivery.sent.get("digest")
    ]
    rows = SOURCES["locations"].rows().filter(pk__in=held, publish=False)
    return dict(rows.values_list("id", "last_updated"))


def _owner(document: dict[str, Any]) -> Party | None:
    if "country_code" not in document:
        return None
    return Party(document["country_code"], document["party_id"])


def _receiver(partner: Partner, document: dict[str, Any]) -> Party | None:
    token = document.get("cdr_token")
    if token:
        return Party(token["country_code"], token["party_id"])
    roles = sorted(partner.roles.all(), key=lambda role: (role.role != Role.EMSP, role.pk))
    return Party(roles[0].country_code, roles[0].party_id) if roles else None


def _command_jobs(target: Target, deliveries: dict[int, Delivery]) -> Iterator[Job]:
    rows = Command.objects.filter(partner=target.partner, pk__in=list(deliveries)).select_related(
        "location"
    )
    for command in rows:
        delivery = deliveries[command.pk]
        if delivery.sent.get("delivered"):
            continue
        if clock.now() > command.received_at + RESULT_TIME:
            # The eMSP has given up on it; staff reads here why it never got its result.
            delivery.refused_at = clock.now()
            delivery.error = delivery.error or "too late: the command's timeout had passed"
            delivery.save()
            continue
        body = target.version.shapes.command_result(command.result, command.message)
        location = command.location
        yield Job(
            module="commands",
            object_id=command.pk,
            delivery=delivery,
            plan=Plan((Push("POST", (), body),), {"delivered": True}),
            url=command.response_url,
            sender=Party(location.country_code, location.party_id) if location else None,
            receiver=_receiver(target.partner, {"cdr_token": command.token}),
            exact_url=True,
        )
