"""How partners are served, and what to do about it: `manage.py feed status`."""

import json
import time
from argparse import REMAINDER, Namespace
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from cpo_platform.common import clock
from roaming.models import Partner, PartnerStatus
from roaming.operations import feed, health, resending, walks
from roaming.operations.health import LaneHealth
from roaming.operations.walks import PUSHED_MODULES

LOOK_SECONDS = 1.0
WORDS = {
    health.LaneState.FINE: "fine",
    health.LaneState.NEW: "nothing sent yet",
    health.LaneState.STOPPED: "not registered",
    health.LaneState.WALKING: "sending many objects",
    health.LaneState.BEHIND: "behind",
    health.LaneState.PAUSED: "paused by staff",
    health.LaneState.FAILING: "failing",
    health.LaneState.FORBIDDEN: "we may not call its address",
    health.LaneState.UNAUTHORIZED: "our token is refused",
}
HEADS = ("partner", "lane", "state", "lag", "pending", "failures", "last error")


class Command(BaseCommand):
    help = "Show how partners are served, pause and resume, and send things again."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        status = actions.add_parser("status", help="every lane; ends with 1 if one fails")
        status.add_argument("partner", nargs="?", help="its name or id; without it, all")
        status.add_argument("--json", action="store_true", help="one JSON document")
        for name, text in (
            ("pause", "send it nothing until `resume`"),
            ("resume", "undo `pause`"),
            ("probe", "end its rest after failures: try it now"),
        ):
            _with_partner(actions.add_parser(name, help=text))
        resync = _with_partner(actions.add_parser("resync", help="send it everything again"))
        resync.add_argument("--no-wait", action="store_true", help="do not show the progress")
        _add_resend(_with_partner(actions.add_parser("resend", help="send it something again")))
        drift = _with_partner(
            actions.add_parser("drift", help="compare what it has with what it should have")
        )
        drift.add_argument("options", nargs=REMAINDER, help="what `manage.py drift` takes")

    def handle(self, *_args: Any, **options: Any) -> None:
        action = getattr(self, f"_{options['action']}")
        action(Namespace(**options))

    # What can be asked for

    def _status(self, options: Namespace) -> None:
        now = clock.now()
        if options.partner:
            partner = _partner(options.partner)
            rows = [(partner.name, lane) for lane in health.lanes_of(partner, now=now)]
        else:
            lanes = health.with_forbidden(health.registered_lanes(now=now))
            rows = [(lane.feed.partner.name, lane) for lane in lanes]
        if options.json:
            documents = [_document(name, lane) for name, lane in rows]
            self.stdout.write(json.dumps({"lanes": documents}, ensure_ascii=False, indent=2))
        elif rows:
            self._table([HEADS, *(_row(name, lane) for name, lane in rows)])
        else:
            self.stdout.write("No partner is registered: nothing is sent to anybody.")
        failing = sorted({name for name, lane in rows if lane.state in health.FAILING})
        if failing:
            raise CommandError(f"failing: {', '.join(failing)}", returncode=1)

    def _pause(self, options: Namespace) -> None:
        partner = _registered(options.partner)
        feed.pause(partner_id=partner.pk, now=clock.now())
        self.stdout.write(f"{partner} is paused: nothing is sent to it until `feed resume`.")

    def _resume(self, options: Namespace) -> None:
        partner = _registered(options.partner)
        feed.go_on(partner_id=partner.pk)
        self.stdout.write(f"{partner} goes on: what changed meanwhile is sent now.")

    def _probe(self, options: Namespace) -> None:
        partner = _registered(options.partner)
        lanes = health.lanes_of(partner, now=clock.now())
        if any(lane.feed.paused_at for lane in lanes):
            raise CommandError(f"{partner} is paused: use `feed resume`.")
        feed.retry_now(partner_id=partner.pk)
        waiting = sum(lane.waiting.total for lane in lanes)
        text = "is tried now" if waiting else "is tried with the next change: nothing waits for it"
        self.stdout.write(f"{partner} {text}.")

    def _resync(self, options: Namespace) -> None:
        partner = _registered(options.partner)
        walk = walks.send_everything_again(partner_id=partner.pk, now=clock.now())
        self.stdout.write(f"Objects on their way to {partner}: {walk.total}.")
        if not options.no_wait:
            self._show_progress(partner, walk.pk)

    def _resend(self, options: Namespace) -> None:
        partner = _registered(options.partner)
        if options.id:
            self._resend_object(partner, options)
            return
        if not (options.begin and options.end):
            raise CommandError("name an object by --module and --id, or give --from and --until.")
        begin, end = _moment("--from", options.begin), _moment("--until", options.end)
        if end <= begin:
            raise CommandError("--until must be after --from.")
        walk = walks.send_window_again(
            partner_id=partner.pk,
            modules=options.module or PUSHED_MODULES,
            begin=begin,
            end=end,
            now=clock.now(),
        )
        self.stdout.write(f"Objects on their way to {partner}: {walk.total}.")

    def _resend_object(self, partner: Partner, options: Namespace) -> None:
        if len(options.module or ()) != 1:
            raise CommandError("--id needs one --module: whose id is it?")
        (module,) = options.module
        now = clock.now()
        try:
            object_id = resending.find_visible(
                partner=partner, module=module, name=options.id, now=now
            )
        except (resending.UnknownObject, resending.SeveralObjects) as error:
            raise CommandError(f"{error}.") from error
        if resending.is_acknowledged_cdr(partner=partner, module=module, object_id=object_id):
            raise CommandError(f"{partner} has acknowledged this CDR: it is never sent twice.")
        walks.send_object_again(partner_id=partner.pk, module=module, object_id=object_id)
        self.stdout.write(f"{options.id} is on its way to {partner}.")

    def _drift(self, options: Namespace) -> None:
        """Hand over to `manage.py drift`, which ends with 1 where there is drift."""
        partner = _registered(options.partner)
        if "drift" not in get_commands():
            raise CommandError("there is no drift check in this installation.")
        call_command("drift", partner.name, *options.options)

    # How it is shown

    def _show_progress(self, partner: Partner, walk_id: int) -> None:
        shown = -1
        while True:
            of_it = [one for one in walks.progress(partner) if one.walk.pk == walk_id]
            if not of_it:
                self.stdout.write("100 %: all of it is told.")
                return
            if of_it[0].percent != shown:
                shown = of_it[0].percent
                self.stdout.write(f"{shown} %: {of_it[0].done} of {of_it[0].walk.total}")
            self._stop_if_stuck(partner)
            time.sleep(LOOK_SECONDS)

    def _stop_if_stuck(self, partner: Partner) -> None:
        """Raise where nobody can wait for the end: the partner fails, or is paused."""
        for lane in health.lanes_of(partner, now=clock.now()):
            is_stuck = lane.circuit is not health.Circuit.CLOSED
            if is_stuck and lane.waiting.of_walks:
                reason = lane.feed.last_error or "see `feed status`"
                raise CommandError(
                    f"{partner} is {WORDS[lane.state]} ({reason}): the rest goes when it is back."
                )

    def _table(self, rows: Sequence[Sequence[str]]) -> None:
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())


def _with_partner(parser: Any) -> Any:
    parser.add_argument("partner", help="its name or id")
    return parser


def _add_resend(parser: Any) -> None:
    parser.add_argument(
        "--module", action="append", choices=PUSHED_MODULES, help="may be repeated; default: all"
    )
    parser.add_argument("--id", help="an object's OCPI id, or NL*ABC/ID")
    parser.add_argument("--from", dest="begin", help="what changed since: 2026-05-01T00:00Z")
    parser.add_argument("--until", dest="end", help="what changed before: 2026-05-02T00:00Z")


def _partner(text: str) -> Partner:
    named = Partner.objects.filter(name=text).first()
    if named is None and text.isascii() and text.isdigit() and len(text) < 19:
        named = Partner.objects.filter(pk=int(text)).first()
    if named is None:
        raise CommandError(f"there is no partner {text}.")
    return named


def _registered(text: str) -> Partner:
    partner = _partner(text)
    if partner.status != PartnerStatus.REGISTERED:
        raise CommandError(f"{partner} is not registered: nothing is sent to it.")
    return partner


def _moment(name: str, text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"{name} must be a moment such as 2026-05-01T00:00Z, got {text}.")
    return moment


def _row(name: str, lane: LaneHealth) -> tuple[str, ...]:
    more = "+" if lane.waiting.is_more else ""
    return (
        name,
        lane.feed.lane,
        WORDS[lane.state],
        f"{lane.lag.total_seconds():.1f} s" if lane.since else "-",
        f"{lane.waiting.total}{more}",
        str(lane.feed.failures),
        lane.forbidden
        or (lane.feed.last_error[:80].replace("\n", " ") if lane.feed.failures else "-"),
    )


def _document(name: str, lane: LaneHealth) -> dict[str, Any]:
    its_feed = lane.feed
    return {
        "partner": name,
        "partner_id": its_feed.partner_id,
        "lane": its_feed.lane,
        "state": lane.state,
        "circuit": lane.circuit,
        "lag_seconds": lane.lag.total_seconds(),
        "pending": dict(lane.waiting.modules),
        "pending_is_more": lane.waiting.is_more,
        "failures": its_feed.failures,
        "last_success_at": its_feed.last_success_at and its_feed.last_success_at.isoformat(),
        "retry_at": its_feed.retry_at and its_feed.retry_at.isoformat(),
        "paused_at": its_feed.paused_at and its_feed.paused_at.isoformat(),
        "unauthorized_at": its_feed.unauthorized_at and its_feed.unauthorized_at.isoformat(),
        "last_error": its_feed.last_error,
        "forbidden": lane.forbidden,
    }
