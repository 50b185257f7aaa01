"""`manage.py feed`: what an operator types to see how partners are doing, and to help."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cpo_platform.common import clock
from roaming.management.commands import feed as command
from roaming.models import Change, Delivery, Feed, Lane, Partner, PartnerStatus, Walk
from roaming.operations import resending, walks
from tests.factories import NOW, LocationFactory
from tests.roaming.conftest import Registered
from tests.roaming.lanes import feed_of

pytestmark = pytest.mark.django_db


def typed(*arguments: str) -> str:
    out = StringIO()
    call_command("feed", *arguments, stdout=out)
    return out.getvalue()


def test_status_shows_every_lane(first: Registered, stranger: Registered) -> None:
    Feed.objects.update(last_success_at=NOW)
    lines = typed("status").splitlines()
    assert len(lines) == 1 + 2 * len(Lane)
    assert lines[0].split()[:4] == ["partner", "lane", "state", "lag"]
    assert lines[1].split() == ["First", "eMSP", "NETWORK", "fine", "-", "0", "0", "-"]
    assert len(typed("status", first.partner.name).splitlines()) == 1 + len(Lane)


def test_status_without_partners_says_so() -> None:
    assert typed("status") == "No partner is registered: nothing is sent to anybody.\n"


@pytest.mark.parametrize("values", [{"failures": 2}, {"unauthorized_at": NOW}])
def test_status_ends_with_1_when_something_fails(
    first: Registered, stranger: Registered, values: dict[str, Any]
) -> None:
    Feed.objects.filter(partner=stranger.partner, lane=Lane.CHARGING).update(**values)
    with pytest.raises(CommandError, match="failing: Other eMSP") as raised:
        typed("status")
    assert raised.value.returncode == 1
    assert typed("status", str(first.partner.pk))


def test_status_as_json(first: Registered) -> None:
    made = Change.objects.create(lane=Lane.NETWORK, module="locations", object_id=1)
    Change.objects.filter(pk=made.pk).update(created_at=clock.now() - timedelta(minutes=10))
    lane, *_others = json.loads(typed("status", "--json"))["lanes"]
    assert (lane["partner"], lane["lane"], lane["state"]) == ("First eMSP", "NETWORK", "BEHIND")
    assert lane["lag_seconds"] == pytest.approx(600, abs=30)
    assert lane["pending"] == {"locations": 1}


def test_pause_resume_and_probe(first: Registered) -> None:
    assert "is paused" in typed("pause", first.partner.name)
    assert feed_of(first.partner).paused_at is not None
    with pytest.raises(CommandError, match="use `feed resume`"):
        typed("probe", first.partner.name)
    assert "goes on" in typed("resume", str(first.partner.pk))
    assert feed_of(first.partner).paused_at is None
    Feed.objects.update(failures=1, retry_at=clock.now() + timedelta(hours=1))
    assert "nothing waits" in typed("probe", first.partner.name)
    assert feed_of(first.partner).retry_at is None


def test_resync_shows_how_far_it_is(first: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    LocationFactory(id="ONE")
    LocationFactory(id="TWO")
    assert typed("resync", first.partner.name, "--no-wait") == (
        "Objects on their way to First eMSP: 4.\n"
    )

    walk = Walk.objects.get()
    steps = iter([[walks.Progress(walk, 0)], [walks.Progress(walk, 1)], []])

    def anew(**_values: Any) -> Walk:
        return walk

    monkeypatch.setattr(walks, "send_everything_again", anew)
    monkeypatch.setattr(walks, "progress", lambda _partner: next(steps))
    monkeypatch.setattr(command, "LOOK_SECONDS", 0)
    assert typed("resync", first.partner.name).splitlines()[1:] == [
        "0 %: 0 of 4",
        "25 %: 1 of 4",
        "100 %: all of it is told.",
    ]


def test_resync_does_not_wait_for_who_is_away(first: Registered) -> None:
    LocationFactory(id="ONE")
    Feed.objects.update(failures=3, last_error="HTTP 503")
    with pytest.raises(CommandError, match=r"failing \(HTTP 503\): the rest goes when it is back"):
        typed("resync", first.partner.name)
    assert Walk.objects.get().total == 2


def test_resend_sends_an_object_or_a_window(first: Registered) -> None:
    location = LocationFactory(id="ONE")
    assert "on its way" in typed("resend", "First eMSP", "--module", "locations", "--id", "ONE")
    changed = Change.objects.filter(partner=first.partner)
    assert list(changed.values_list("module", "object_id")) == [("locations", location.pk)]

    moments = ("--from", "2000-01-01T00:00Z", "--until", "2100-01-01T00:00Z")
    assert typed("resend", "First eMSP", *moments).endswith(": 2.\n")
    assert typed("resend", "First eMSP", "--module", "cdrs", *moments).endswith(": 0.\n")


def test_resend_never_sends_a_cdr_twice(first: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    Delivery.objects.create(
        partner=first.partner, module="cdrs", object_id=7, sent={"delivered": True}
    )
    monkeypatch.setattr(resending, "find_visible", lambda **_values: 7)
    with pytest.raises(CommandError, match="never sent twice"):
        typed("resend", "First eMSP", "--module", "cdrs", "--id", "C1")
    assert not Change.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("pause", "Nobody"), "there is no partner Nobody."),
        (("pause", "9" * 30), "there is no partner 9+."),
        (("resend", "First eMSP"), "--module and --id, or give --from and --until."),
        (("resend", "First eMSP", "--id", "X"), "--id needs one --module"),
        (
            ("resend", "First eMSP", "--id", "X", "--module", "cdrs"),
            "First eMSP may see nothing of this id in cdrs: X.",
        ),
        (
            ("resend", "First eMSP", "--from", "yesterday", "--until", "now"),
            "--from must be a moment such as 2026-05-01T00:00Z, got yesterday.",
        ),
        (
            ("resend", "First eMSP", "--from", "2026-05-01T00:00", "--until", "2026-13-01T00:00Z"),
            "--from must be a moment",
        ),
        (
            ("resend", "First eMSP", "--from", "2026-05-02T00:00Z", "--until", "2026-05-01T00:00Z"),
            "--until must be after --from.",
        ),
    ],
)
def test_what_is_typed_wrong_is_told_in_a_sentence(
    first: Registered, arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        typed(*arguments)
    assert not Change.objects.exists()


@pytest.mark.parametrize("action", ["pause", "resume", "probe", "resync", "resend", "drift"])
def test_nothing_is_done_to_who_is_not_registered(first: Registered, action: str) -> None:
    Partner.objects.update(status=PartnerStatus.SUSPENDED)
    with pytest.raises(CommandError, match="First eMSP is not registered: nothing"):
        typed(action, "First eMSP")


def test_drift_is_handed_over(first: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(command, "get_commands", lambda: {"drift": "roaming"})
    monkeypatch.setattr(command, "call_command", lambda *given: called.append(given))
    typed("drift", str(first.partner.pk), "--sample", "10")
    assert called == [("drift", "First eMSP", "--sample", "10")]

    monkeypatch.setattr(command, "get_commands", dict)
    with pytest.raises(CommandError, match="no drift check"):
        typed("drift", "First eMSP")
