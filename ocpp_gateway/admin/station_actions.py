"""What staff asks of a station: each says what it will do, asks, and says what came of it.

None of it runs in a database transaction: the station may take half a minute to answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import Admin, Button, change_url
from ocpp_gateway import charges, requests
from ocpp_gateway.admin.display import AUTHORISATIONS, is_good, offline_since, outcome_text
from ocpp_gateway.admin.station_forms import (
    AvailabilityForm,
    FirmwareForm,
    LogsForm,
    NoForm,
    ResetForm,
    SettingForm,
    StartForm,
    StationForm,
    StopForm,
    TriggerForm,
    UnlockForm,
)
from ocpp_gateway.admin.station_panels import page_url
from ocpp_gateway.calling import NeverConnected
from ocpp_gateway.configuration import NoSuchName
from ocpp_gateway.models import Outlet, Station, StationCall, StationState
from ocpp_gateway.schemas import BadPayload


@dataclass(frozen=True)
class Asked:
    """Who asks what of which station, and when."""

    station: Station
    data: dict[str, Any]
    by: str
    now: datetime

    @property
    def outlet(self) -> Outlet | None:
        found: Outlet | None = self.data.get("outlet")
        return found


@dataclass(frozen=True)
class Action:
    """One thing to ask of a station: `says` tells what it will do, `run` does it."""

    name: str
    title: Any
    button: Any
    says: Sequence[Any]
    run: Callable[[Asked], StationCall]
    form: type[StationForm] = NoForm
    danger: bool = False


def _reset(asked: Asked) -> StationCall:
    is_hard = asked.data["kind"] == ResetForm.HARD
    return requests.reset(asked.station, hard=is_hard, asked_by=asked.by, now=asked.now)


def _availability(asked: Asked) -> StationCall:
    return requests.change_availability(
        asked.station,
        asked.outlet,
        operative=asked.data["operative"] == AvailabilityForm.OPERATIVE,
        asked_by=asked.by,
        now=asked.now,
    )


def _start(asked: Asked) -> StationCall:
    outlet: Outlet = asked.data["outlet"]
    return charges.start_charge(outlet, asked.data["token"], asked_by=asked.by, now=asked.now)


def _stop(asked: Asked) -> StationCall:
    return charges.stop_charge(asked.data["charging"], asked_by=asked.by, now=asked.now)


def _unlock(asked: Asked) -> StationCall:
    outlet: Outlet = asked.data["outlet"]
    return requests.unlock(asked.station, outlet, asked_by=asked.by, now=asked.now)


def _trigger(asked: Asked) -> StationCall:
    return requests.trigger(
        asked.station, asked.data["what"], asked.outlet, asked_by=asked.by, now=asked.now
    )


def _write(asked: Asked) -> StationCall:
    return requests.write_configuration(
        asked.station, asked.data["name"], asked.data["value"], asked_by=asked.by, now=asked.now
    )


def _firmware(asked: Asked) -> StationCall:
    return requests.update_firmware(
        asked.station,
        asked.data["url"],
        retrieve_at=asked.data["retrieve_at"] or asked.now,
        asked_by=asked.by,
        now=asked.now,
    )


def _logs(asked: Asked) -> StationCall:
    return requests.fetch_logs(asked.station, asked.data["url"], asked_by=asked.by, now=asked.now)


def _simply(request: Callable[..., StationCall]) -> Callable[[Asked], StationCall]:
    return lambda asked: request(asked.station, asked_by=asked.by, now=asked.now)


ACTIONS = (
    Action(
        "restart",
        _("Restart"),
        _("Restart"),
        (
            _("Soft: by OCPP 1.6 it ends what runs in order and restarts; by 2.0.1 it waits."),
            _("Hard: it restarts at once. Sessions that run there end, or have a gap."),
        ),
        _reset,
        ResetForm,
        danger=True,
    ),
    Action(
        "availability",
        _("Change availability"),
        _("Change"),
        (
            _("Out of service: the station lets nobody charge there; a session that runs goes on."),
            _("It stays so after a restart, and partners see it as soon as the station says so."),
        ),
        _availability,
        AvailabilityForm,
    ),
    Action(
        "start",
        _("Start a charge"),
        _("Start"),
        (
            _("It starts as if the driver had shown this card or contract there."),
            _("The car has to be plugged in, or within the time that the station waits for it."),
            _("Its provider is asked as always, and bills the driver."),
        ),
        _start,
        StartForm,
    ),
    Action(
        "stop",
        _("Stop a charge"),
        _("Stop"),
        (
            _("It ends as if the driver had ended it there, and is billed."),
            _("The car stays plugged in. Unlock the connector, if the cable is stuck."),
        ),
        _stop,
        StopForm,
        danger=True,
    ),
    Action(
        "unlock",
        _("Unlock a connector"),
        _("Unlock"),
        (
            _("The cable is released. By OCPP 1.6 this ends the session that runs there."),
            _("A station that speaks 2.0.1 refuses while a session runs: stop that first."),
        ),
        _unlock,
        UnlockForm,
        danger=True,
    ),
    Action(
        "trigger",
        _("Have it report again"),
        _("Ask"),
        (_("It sends the message again. Nothing that runs there is touched."),),
        _trigger,
        TriggerForm,
    ),
    Action(
        "clear_cache",
        _("Clear the cache of tokens"),
        _("Clear"),
        (_("It forgets whom it has let charge before. Sessions that run go on."),),
        _simply(requests.clear_cache),
    ),
    Action(
        "local_list",
        _("Send the local list"),
        _("Send"),
        (
            _("It is told who may charge while we cannot be asked. This replaces its list."),
            _("Only valid tokens that their provider lets charge offline are in it."),
        ),
        _simply(requests.send_local_list),
    ),
    Action(
        "rotate",
        _("Change the password"),
        _("Change"),
        (
            _("A new password is made and sent to the station. Nobody sees it."),
            _("The old one is good until the station has shown the new one."),
        ),
        _simply(requests.rotate_password),
    ),
    Action(
        "read",
        _("Read the configuration"),
        _("Read"),
        (_("It tells all that it is set to. By 2.0.1 that follows in the next seconds."),),
        _simply(requests.read_configuration),
    ),
    Action(
        "write",
        _("Change a setting"),
        _("Change"),
        (_("Some settings hold from the next restart on: the station answers RebootRequired."),),
        _write,
        SettingForm,
    ),
    Action(
        "firmware",
        _("Update the firmware"),
        _("Update"),
        (
            _("It fetches the file from this address and installs it when it is idle."),
            _("It restarts then: until it is back, nobody can charge there."),
        ),
        _firmware,
        FirmwareForm,
        danger=True,
    ),
    Action(
        "logs",
        _("Fetch logs"),
        _("Fetch"),
        (_("It uploads its logs to this address, a folder that it may write to."),),
        _logs,
        LogsForm,
    ),
)


def run(admin: Admin, action: Action, request: HttpRequest, station: Station) -> HttpResponse:
    """Ask, then do it, then go back to the station and say what came of it."""
    obstacle = _obstacle(station)
    if obstacle:
        return _blocked(admin, action, request, station, obstacle)
    form = action.form(
        request.POST if request.method == "POST" else None,
        station=station,
        initial={
            "name": request.GET.get("name", "")[:150],
            "charging": request.GET.get("charging", "")[:19],
        },
    )
    if request.method != "POST" or not form.is_valid():
        return _ask(admin, action, request, station, form)
    asked = Asked(station, form.cleaned_data, request.user.get_username(), clock.now())
    try:
        call = action.run(asked)
    except (BadPayload, NoSuchName, NeverConnected) as error:
        form.add_error(None, str(error))
        return _ask(admin, action, request, station, form)
    except charges.NotAllowed as refused:
        form.add_error("token", _refusal(refused))
        return _ask(admin, action, request, station, form)
    except charges.KeptForOthers:
        form.add_error("outlet", gettext("It is reserved for another driver."))
        return _ask(admin, action, request, station, form)
    admin.log_change(request, station, f"{call.action}: {call.state}.")
    show = messages.success if is_good(call) else messages.warning
    show(request, outcome_text(call))
    return HttpResponseRedirect(change_url(station))


def _refusal(refused: charges.NotAllowed) -> str:
    found = refused.authorization
    said = gettext("It may not charge here: %(verdict)s.") % {
        "verdict": AUTHORISATIONS[found.allowed.value][0]
    }
    return f"{said} {found.info}".strip()


def _obstacle(station: Station) -> str:
    """Say why nothing can be asked of a station now, or return an empty text."""
    if station.state != StationState.PLACED:
        return gettext("It is not in service: place it first.")
    if station.is_online(now=clock.now()):
        return ""
    since = offline_since(station)
    if since is None:
        return gettext("The station has never connected: nothing can be asked of it yet.")
    return gettext("The station is offline since %(since)s UTC: nothing can be asked of it.") % {
        "since": f"{since:%Y-%m-%d %H:%M}"
    }


def _blocked(
    admin: Admin, action: Action, request: HttpRequest, station: Station, why: str
) -> HttpResponse:
    return admin.confirm(
        request,
        title=_title(action, station),
        sentences=[why],
        button=action.button,
        cancel_url=change_url(station),
        blocked=True,
    )


def _ask(
    admin: Admin, action: Action, request: HttpRequest, station: Station, form: StationForm
) -> HttpResponse:
    return admin.page(
        request,
        "admin/ocpp_gateway/station/action.html",
        title=_title(action, station),
        obj=station,
        form=form,
        sentences=[*action.says, *_charging_sentence(station, action)],
        button=action.button,
        danger=action.danger,
        list_url=change_url(station),
    )


def _title(action: Action, station: Station) -> str:
    return f"{action.title}: {station}"


def _charging_sentence(station: Station, action: Action) -> list[str]:
    """Say how many people charge there, where that matters."""
    if not action.danger:
        return []
    count = station.transactions.filter(ended_at__isnull=True).count()
    if not count:
        return [gettext("Nobody charges there now.")]
    return [gettext("Sessions that run there now: %(count)s.") % {"count": count}]


def button_of(name: str, station: Station, *, tone: str = "") -> Button:
    """Return the button that leads to an action."""
    action = next(one for one in ACTIONS if one.name == name)
    return Button(action.title, page_url(station, name), tone=tone)
