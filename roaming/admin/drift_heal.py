"""What staff is asked before drift is healed: what is sent, to whom, and what that does there."""

from django.http import HttpRequest
from django.utils.translation import gettext

from roaming.admin.display import MODULE_LABELS
from roaming.admin.drift_panels import PLURALS
from roaming.models import Drift, DriftCheck, DriftKind
from roaming.operations import drift, drift_healing, drift_objects


def chosen_of(request: HttpRequest, check: DriftCheck) -> list[Drift]:
    """Return what is to be healed: one finding, the missing CDRs, or all the rest."""
    one = request.GET.get("drift", "")
    if one:
        waiting = check.drifts.filter(drift_healing.HEALABLE, healed_at__isnull=True)
        return list(waiting.filter(pk=one)) if one.isdecimal() and len(one) < 19 else []
    rows = drift_healing.to_heal(check, cdrs="cdrs" in request.GET)
    return list(rows.order_by("pk")[: drift.MOST_KEPT])


def has_cdrs(chosen: list[Drift]) -> bool:
    """Tell whether CDRs would be sent again, which needs a closer look."""
    return any(row.module == "cdrs" for row in chosen)


def question(check: DriftCheck, chosen: list[Drift]) -> str:
    """Return what staff is asked."""
    if len(chosen) == 1:
        (row,) = chosen
        name = f"{MODULE_LABELS[row.module]} {drift_healing.names_of(chosen)[row.pk]}"
    else:
        name = gettext("%(count)s objects") % {"count": len(chosen)}
    values = {"objects": name, "partner": check.partner.name}
    return gettext("Send %(objects)s to %(partner)s again?") % values


def sentences(check: DriftCheck, chosen: list[Drift]) -> list[str]:
    """Say what will happen to the copies."""
    if has_cdrs(chosen):
        return [
            gettext(
                "%(partner)s acknowledged them once and does not show them now. Ask the partner "
                "first: it may have put them away, and a CDR must never be booked twice."
            )
            % {"partner": check.partner.name},
            gettext(
                "They are posted again with the same ids. If the partner says that it knows one, "
                "that counts as delivered."
            ),
        ]
    said = [
        gettext("Each is sent as a whole, as it is now; the partner's copy is replaced by it."),
    ]
    if any(row.kind == DriftKind.UNEXPECTED for row in chosen):
        said.append(
            gettext(
                "What the partner should have no more is withdrawn: locations are set to not "
                "published (in OCPI 2.1.1 their EVSEs to REMOVED), tariffs are deleted."
            )
        )
    said.append(gettext("No other partner is told anything."))
    return said


def breakdown(chosen: list[Drift]) -> list[str]:
    """Return how many of each kind it is."""
    counts = {
        module: sum(row.module == module for row in chosen) for module in drift_objects.MODULES
    }
    return [f"{PLURALS[module]}: {count}" for module, count in counts.items() if count]
