"""What staff does to what a partner is sent: each asks first and says what it will do."""

from collections.abc import Callable, Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import Admin, Button
from roaming.admin.display import MODULE_LABELS, count_text, object_link, waiting_text
from roaming.admin.health_forms import ObjectForm, WindowForm
from roaming.admin.health_panels import page_url
from roaming.models import Partner
from roaming.operations import feed, health, resending, walks
from roaming.operations.health import LaneHealth, Waiting

Action = Callable[[Admin, HttpRequest, Partner], HttpResponse]


def buttons_for(partner: Partner, lanes: list[LaneHealth]) -> list[Button]:
    """Return what can be done with a registered partner as it is."""
    is_paused = any(lane.feed.paused_at for lane in lanes)
    fails = any(lane.feed.failures or lane.feed.unauthorized_at for lane in lanes)
    if is_paused:
        first = [Button(_("Go on"), page_url(partner, "go_on"), tone="primary")]
    else:
        tone = "primary" if fails else ""
        first = [
            Button(_("Probe now"), page_url(partner, "probe"), tone=tone),
            Button(_("Pause"), page_url(partner, "pause")),
        ]
    return [
        *first,
        Button(_("Send one object again"), page_url(partner, "send_object")),
        Button(_("Send a time window again"), page_url(partner, "send_window")),
        Button(_("Send everything again"), page_url(partner, "resend")),
    ]


def pause(admin: Admin, request: HttpRequest, partner: Partner) -> HttpResponse:
    if request.method != "POST":
        return admin.confirm(
            request,
            title=gettext("Pause what we send to %(name)s?") % {"name": partner.name},
            sentences=[
                gettext(
                    "Nothing is sent to it from now on: no locations, tariffs, sessions or CDRs. "
                    "Results of commands are not sent either, and are of no use later."
                ),
                gettext("We still answer its requests."),
                _waiting_sentence(_waiting(partner)),
                gettext("When it goes on, it is sent the present state of all that changed."),
            ],
            button=gettext("Pause"),
            cancel_url=page_url(partner),
        )
    feed.pause(partner_id=partner.pk, now=clock.now())
    return _done(admin, request, partner, "Paused.", gettext("Paused: nothing is sent to it."))


def go_on(admin: Admin, request: HttpRequest, partner: Partner) -> HttpResponse:
    if request.method != "POST":
        return admin.confirm(
            request,
            title=gettext("Go on sending to %(name)s?") % {"name": partner.name},
            sentences=[
                _waiting_sentence(_waiting(partner)),
                gettext("Each object is sent once, as it is now, however often it changed."),
            ],
            button=gettext("Go on"),
            cancel_url=page_url(partner),
        )
    feed.go_on(partner_id=partner.pk)
    return _done(admin, request, partner, "Went on.", gettext("It goes on now."))


def probe(admin: Admin, request: HttpRequest, partner: Partner) -> HttpResponse:
    if request.method != "POST":
        lanes = health.lanes_of(partner, now=clock.now())
        waiting = _sum(lanes)
        obstacle = _obstacle(lanes, waiting)
        return admin.confirm(
            request,
            title=gettext("Try to reach %(name)s now?") % {"name": partner.name},
            sentences=[obstacle]
            if obstacle
            else [
                gettext(
                    "The rest after failures ends. In each lane, one request shows whether the "
                    "partner is back: if it goes through, the others follow at once."
                ),
                _waiting_sentence(waiting),
                gettext("If it fails, the lane rests again; an hour if our token is refused."),
            ],
            button=gettext("Probe now"),
            cancel_url=page_url(partner),
            blocked=bool(obstacle),
        )
    feed.retry_now(partner_id=partner.pk)
    text = gettext("It is tried again now: this page shows how it went.")
    return _done(admin, request, partner, "Tried again.", text)


def _obstacle(lanes: list[LaneHealth], waiting: Waiting) -> str:
    if any(lane.feed.paused_at for lane in lanes):
        return gettext("It is paused: let it go on instead.")
    if not waiting.total:
        return gettext("Nothing is waiting for it, so there is nothing to try with.")
    return ""


def send_object(admin: Admin, request: HttpRequest, partner: Partner) -> HttpResponse:
    """Ask which object, then whether; `module` and `pk` name it at once."""
    known = _named(request.POST if request.method == "POST" else request.GET)
    if known is not None:
        return _send_this(admin, request, partner, *known)
    form = ObjectForm(request.POST or None, partner=partner)
    if request.method == "POST" and form.is_valid():
        module, object_id = form.cleaned_data["module"], form.cleaned_data["pk"]
        return _ask_for_object(admin, request, partner, module, object_id)
    return admin.page(
        request,
        "admin/cpo/form.html",
        title=gettext("Send %(name)s one object again") % {"name": partner.name},
        form=form,
        sentences=[gettext("The whole of it is sent, whatever we think the partner has.")],
        button=gettext("Next"),
        list_url=page_url(partner),
    )


def _named(values: Mapping[str, object]) -> tuple[str, int] | None:
    module, pk = str(values.get("module", "")), str(values.get("pk", ""))
    # A row's id has 19 digits at most.
    if module not in walks.PUSHED_MODULES or not (pk.isascii() and pk.isdigit()) or len(pk) > 18:
        return None
    return module, int(pk)


def _send_this(
    admin: Admin, request: HttpRequest, partner: Partner, module: str, object_id: int
) -> HttpResponse:
    now = clock.now()
    name = f"{MODULE_LABELS[module]} {object_id}"
    if not resending.may_have(partner=partner, module=module, object_id=object_id, now=now):
        text = gettext("%(object)s is nothing that this partner may see.") % {"object": name}
        messages.error(request, text)
        return HttpResponseRedirect(page_url(partner))
    if request.method != "POST":
        return _ask_for_object(admin, request, partner, module, object_id)
    walks.send_object_again(partner_id=partner.pk, module=module, object_id=object_id)
    return _done(
        admin,
        request,
        partner,
        f"Sent {module} {object_id} again.",
        gettext("%(object)s is on its way again.") % {"object": name},
    )


def _ask_for_object(
    admin: Admin, request: HttpRequest, partner: Partner, module: str, object_id: int
) -> HttpResponse:
    is_there = resending.is_acknowledged_cdr(partner=partner, module=module, object_id=object_id)
    return admin.confirm(
        request,
        title=gettext("Send this object to %(name)s again?") % {"name": partner.name},
        sentences=[
            gettext("The partner has acknowledged this CDR: a CDR is never sent twice.")
            if is_there
            else gettext("The whole of 1 object is sent, whatever we think the partner has.")
        ],
        links=[object_link(module, object_id)],
        button=gettext("Send again"),
        cancel_url=page_url(partner),
        values=[("module", module), ("pk", str(object_id))],
        blocked=is_there,
    )


def send_window(admin: Admin, request: HttpRequest, partner: Partner) -> HttpResponse:
    """Ask for the window, then say how many objects that is and ask again."""
    form = WindowForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return admin.page(
            request,
            "admin/cpo/form.html",
            title=gettext("Send %(name)s a time window again") % {"name": partner.name},
            form=form,
            sentences=[
                gettext("What changed in it is sent whole, whatever we think the partner has."),
                gettext("You are told how many objects that is before anything is sent."),
            ],
            button=gettext("Next"),
            list_url=page_url(partner),
        )
    now = clock.now()
    if "confirmed" not in request.POST:
        counts = walks.count_window(partner_id=partner.pk, now=now, **form.window)
        return admin.confirm(
            request,
            title=gettext("Send this time window to %(name)s again?") % {"name": partner.name},
            sentences=_count_sentences(counts),
            button=gettext("Send again"),
            cancel_url=page_url(partner),
            values=[*form.values, ("confirmed", "1")],
            blocked=not sum(counts.values()),
        )
    walk = walks.send_window_again(partner_id=partner.pk, now=now, **form.window)
    log = f"Sent a time window again: {walk.total}."
    return _done(admin, request, partner, log, _on_its_way(walk.total))


def resend(admin: Admin, request: HttpRequest, partner: Partner) -> HttpResponse:
    now = clock.now()
    if request.method != "POST":
        counts = walks.count_everything(partner_id=partner.pk, now=now)
        under_way = walks.progress(partner)
        more = gettext("Objects are being sent already (%(percent)s %%): they start anew.")
        return admin.confirm(
            request,
            title=gettext("Send everything to %(name)s again?") % {"name": partner.name},
            sentences=[
                gettext(
                    "Every tariff, location and ongoing session that it may see is sent whole, "
                    "whatever we think the partner has."
                ),
                *_count_sentences(counts),
                *([more % {"percent": under_way[0].percent}] if under_way else []),
            ],
            button=gettext("Send everything again"),
            cancel_url=page_url(partner),
            blocked=not sum(counts.values()),
        )
    walk = walks.send_everything_again(partner_id=partner.pk, now=now)
    log = f"Sent everything again: {walk.total}."
    return _done(admin, request, partner, log, _on_its_way(walk.total))


def _count_sentences(counts: Mapping[str, int]) -> list[str]:
    if not sum(counts.values()):
        return [gettext("There is nothing to send: 0 objects.")]
    return [
        gettext("Objects to send now: %(total)s (%(modules)s).")
        % {"total": sum(counts.values()), "modules": waiting_text(counts)},
        gettext("CDRs that the partner has acknowledged are not sent twice."),
    ]


def _on_its_way(total: int) -> str:
    return gettext("On their way again: %(total)s objects.") % {"total": total}


def _waiting(partner: Partner) -> Waiting:
    return _sum(health.lanes_of(partner, now=clock.now()))


def _sum(lanes: list[LaneHealth]) -> Waiting:
    modules: dict[str, int] = {}
    for lane in lanes:
        for module, count in lane.waiting.modules.items():
            modules[module] = modules.get(module, 0) + count
    return Waiting(modules)


def _waiting_sentence(waiting: Waiting) -> str:
    if not waiting.total:
        return gettext("No change is waiting at the moment.")
    text = gettext("Changes that are waiting now: %(count)s (%(modules)s).")
    return text % {"count": count_text(waiting), "modules": waiting_text(waiting.modules)}


def _done(
    admin: Admin, request: HttpRequest, partner: Partner, log: str, text: str
) -> HttpResponse:
    admin.log_change(request, partner, log)
    messages.success(request, text)
    return HttpResponseRedirect(page_url(partner))
