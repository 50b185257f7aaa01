"""Uptime, and how time looked, as people read it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, pill
from cpo_platform.common.admin.charts import Bar, percent_text
from locations.uptime import FREE, IN_USE, OUT, PARTLY, UNMEASURED, Stretch, Uptime

# A share that is this much below the goal is red, in per cent of the time.
FAR_BELOW = 5.0
GOOD_SCORE, FAIR_SCORE = 85, 65
LOOKS = {
    FREE: _("available"),
    IN_USE: _("in use"),
    PARTLY: _("down for a part"),
    OUT: _("down"),
    UNMEASURED: _("not measured"),
}


def uptime_pill(uptime: Uptime) -> object:
    """Return a share in its colour: green from the goal on."""
    percent = uptime.percent
    if percent is None:
        return NONE
    goal = settings.UPTIME_GOAL
    tone = "green" if percent >= goal else "amber" if percent >= goal - FAR_BELOW else "red"
    return pill(percent_text(percent), tone)


def recent_pill(uptime: Uptime) -> object:
    """Return a share until now in its colour, or that there is none yet."""
    return gettext("not yet known") if uptime.percent is None else uptime_pill(uptime)


def goal_text() -> str:
    """Say what the goal is: `97 %`."""
    return f"{settings.UPTIME_GOAL:g} %"


def timeline_picture(stretches: Sequence[Stretch]) -> SafeString:
    """Return a bar of how time looked, with its days below and what the colours mean."""
    since, until = stretches[0].since, stretches[-1].until
    whole = (until - since).total_seconds()
    bar = Bar(
        title=gettext("Status from %(since)s until %(until)s (UTC)")
        % {"since": _minute(since), "until": _minute(until)},
        parts=[
            (
                f"cpo-look-{one.look}",
                (one.until - one.since).total_seconds() / whole,
                f"{LOOKS[one.look]}: {_minute(one.since)} \N{EN DASH} {_minute(one.until)}",
            )
            for one in stretches
        ],
    )
    return format_html(
        '{}<div class="cpo-time-bar-ends"><span>{}</span><span>{}</span></div>'
        '<p class="cpo-legend">{}</p>',
        *(bar.svg(), _minute(since), _minute(until)),
        format_html_join(
            " ",
            '<span><i class="cpo-look-{}"></i>{}</span>',
            ((look, words) for look, words in LOOKS.items()),
        ),
    )


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def score_pill(score: int) -> SafeString:
    """Return a score of quality in its colour."""
    return pill(f"{score} / 100", score_tone(score))


def score_tone(score: int) -> str:
    """Return the colour of a score of quality."""
    return "green" if score >= GOOD_SCORE else "amber" if score >= FAIR_SCORE else "red"
