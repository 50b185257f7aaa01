"""What staff decides on a station: each asks first and says what it will do."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from cpo_platform.common import clock
from cpo_platform.common.admin import RecordAdmin, change_url
from ocpp_gateway.admin.placing import show_password
from ocpp_gateway.models import Station, StationState
from ocpp_gateway.operations import stations


def refuse(admin: RecordAdmin, request: HttpRequest, station: Station) -> HttpResponse:
    """Turn a station away."""
    if request.method != "POST":
        is_busy = station.transactions.filter(ended_at__isnull=True).exists()
        return admin.confirm(
            request,
            title=gettext("Refuse %(station)s?") % {"station": station},
            sentences=[gettext("Somebody charges there: stop the session first.")]
            if is_busy
            else _refuse_sentences(station),
            button=gettext("Refuse it"),
            cancel_url=change_url(station),
            danger=True,
            blocked=is_busy,
        )
    try:
        stations.refuse_station(station_id=station.pk, now=clock.now())
    except stations.StillCharging:
        messages.error(request, gettext("Somebody charges there: stop the session first."))
        return HttpResponseRedirect(change_url(station))
    text = gettext("Refused: it is turned away from now on.")
    return _done(admin, request, station, "Refused.", text)


def _refuse_sentences(station: Station) -> list[str]:
    sentences = [
        gettext("Its connection is closed, and it is turned away whenever it knocks."),
        gettext("You can still place it later: it stays in the list."),
    ]
    if station.state == StationState.PLACED:
        sentences.append(
            gettext(
                "Its connectors are free for another station. Partners see the last status of its "
                "EVSEs until you change that."
            )
        )
    return sentences


def forget(admin: RecordAdmin, request: HttpRequest, station: Station) -> HttpResponse:
    """Delete a station that never had a transaction."""
    if request.method != "POST":
        is_kept = station.transactions.exists()
        return admin.confirm(
            request,
            title=gettext("Forget %(station)s?") % {"station": station},
            sentences=[
                gettext("It has transactions: they are kept, and so is it. You can refuse it.")
            ]
            if is_kept
            else [
                gettext("The station and all that it said are deleted; it has no transactions."),
                gettext("If it connects again, it knocks as a stranger."),
            ],
            button=gettext("Forget it"),
            cancel_url=change_url(station),
            danger=True,
            blocked=is_kept,
        )
    name = str(station)
    try:
        stations.forget_station(station_id=station.pk)
    except stations.HasTransactions:
        messages.error(
            request,
            gettext("It has transactions: they are kept, and so is it. You can refuse it."),
        )
        return HttpResponseRedirect(change_url(station))
    messages.success(request, gettext("%(station)s is forgotten.") % {"station": name})
    return HttpResponseRedirect(admin.list_url())


def maintenance(admin: RecordAdmin, request: HttpRequest, station: Station) -> HttpResponse:
    """Begin maintenance, or end it."""
    begins = not station.in_maintenance
    if request.method != "POST":
        title = (
            gettext("Begin maintenance of %(station)s?")
            if begins
            else gettext("End maintenance of %(station)s?")
        )
        return admin.confirm(
            request,
            title=title % {"station": station},
            sentences=[
                gettext("Its EVSEs are shown as inoperative, whatever it reports."),
                gettext("The station itself is not told: whoever stands there can still charge."),
            ]
            if begins
            else [gettext("Its EVSEs are shown as what it reports again.")],
            button=gettext("Begin") if begins else gettext("End"),
            cancel_url=change_url(station),
        )
    stations.set_maintenance(station_id=station.pk, in_maintenance=begins, now=clock.now())
    log = "Began maintenance." if begins else "Ended maintenance."
    text = gettext("It is in maintenance.") if begins else gettext("Maintenance has ended.")
    return _done(admin, request, station, log, text)


def set_password(admin: RecordAdmin, request: HttpRequest, station: Station) -> HttpResponse:
    """Make a new password for a charger that is set by hand, and show it once."""
    if request.method != "POST":
        return admin.confirm(
            request,
            title=gettext("Make a new password for %(station)s?") % {"station": station},
            sentences=[
                gettext("You set it at the charger by hand: it is not sent there."),
                gettext("The old one stops working at once; a connection that is open goes on."),
                gettext("It is shown once, and kept as a hash only."),
            ],
            button=gettext("Make a new password"),
            cancel_url=change_url(station),
            danger=True,
        )
    password = stations.set_password(station_id=station.pk)
    admin.log_change(request, station, "Made a new password.")
    return show_password(admin, request, station, password)


def _done(
    admin: RecordAdmin, request: HttpRequest, station: Station, log: str, text: str
) -> HttpResponse:
    admin.log_change(request, station, log)
    messages.success(request, text)
    return HttpResponseRedirect(change_url(station))
