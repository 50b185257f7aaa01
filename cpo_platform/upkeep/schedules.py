"""The periodic tasks as the code has them: how often by default, what for, and which are vital.

Pure: no database. What people have changed is in `upkeep.models.Schedule`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from celery.schedules import crontab
from django.conf import settings
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Default:
    """How a task is sent for unless somebody has changed it: every `seconds`, or daily `at` (UTC).

    What waits for a worker longer than `expires` seconds is not run any more.
    """

    name: str
    task: str
    seconds: int | None
    at: time | None
    expires: int | None


@dataclass(frozen=True, slots=True)
class About:
    """What a task does, for people; and what stops without it, where that is vital."""

    text: Any
    without: Any = ""


ABOUT: Mapping[str, About] = {
    "wake-feeds": About(
        _("Sends to partners what has changed, where a wake-up was lost."),
        _("Partners may not be told of changes."),
    ),
    "announce-due": About(
        _("Puts changes in order for the partners."), _("Partners are not told of changes.")
    ),
    "skip-others-changes": About(_("Passes over changes that are of no partner's interest.")),
    "expire-commands": About(
        _("Ends commands of partners that no station has answered."),
        _("Partners wait for ever for the result of a command."),
    ),
    "expire-profile-requests": About(
        _("Ends requests for charging profiles that no station has answered.")
    ),
    "advance-simulated-stations": About(_("Moves the simulated stations of the demonstration.")),
    "digest-news": About(
        _("Makes sessions of what chargers say."),
        _("Sessions may not begin, move or end."),
    ),
    "tend-stations": About(
        _("Notices stations that are away, and tells partners."),
        _("Stations that are away still look available."),
    ),
    "tidy-station-messages": About(
        _("Removes old messages of stations."), _("The database grows without end.")
    ),
    "turn-tariffs": About(
        _("Lets tariffs begin and end at their moments."), _("Old prices stay in force.")
    ),
    "tend-reservations": About(_("Ends reservations that are over.")),
    "tend-replays": About(_("Goes on with replays whose worker has died.")),
    "tidy": About(
        _("Removes old changes and messages of partners."), _("The database grows without end.")
    ),
    "watch-rules": About(
        _("Looks for what the rules of alerts describe."), _("Nobody is alerted of anything.")
    ),
    "deliver-notifications": About(
        _("Tells people of incidents."), _("Nobody is told of incidents.")
    ),
    "tidy-alerts": About(_("Removes old alerts."), _("The database grows without end.")),
    "tidy-audit": About(
        _("Makes the audit's months that come, and removes old ones."),
        _("The audit runs out of months."),
    ),
    "check-drift": About(_("Compares samples of what partners hold with what we have.")),
    "tend-drift-checks": About(_("Goes on with drift checks whose worker has died.")),
    "pull-partners": About(_("Asks partners for their new tokens.")),
    "renew-registrations": About(_("Exchanges tokens with partners before they are too old.")),
    "count-attention": About(_("Counts what needs somebody, for the trends of the home page.")),
    "tend-bulk-jobs": About(_("Goes on with bulk changes whose worker has died.")),
    "tidy-bulk-jobs": About(_("Removes old bulk changes.")),
    "tally-uptime": About(_("Sums up each day's statuses, for availability.")),
    "tidy-statuses": About(
        _("Makes the months that come in the history of statuses, and removes old ones."),
        _("The database grows without end."),
    ),
    "check-quality": About(_("Scores what is said of each site, once a day.")),
}
NOTHING = About("")


def about(name: str) -> About:
    """Return what a task is for; nothing where nobody has said it."""
    return ABOUT.get(name, NOTHING)


def defaults() -> dict[str, Default]:
    """Return how each task is sent for by default, by its name in the settings."""
    schedule: Mapping[str, Mapping[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    return {name: _default(name, entry) for name, entry in schedule.items()}


def _default(name: str, entry: Mapping[str, Any]) -> Default:
    schedule, options = entry["schedule"], entry.get("options", {})
    at = seconds = None
    if isinstance(schedule, crontab):
        # Those that we have are daily.
        at = time(min(schedule.hour), min(schedule.minute))  # type: ignore[attr-defined]
    else:
        seconds = int(schedule)
    return Default(name, entry["task"], seconds, at, options.get("expires"))
