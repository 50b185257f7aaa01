"""What staff must know before it issues or takes back a CDR: who is told, and who cannot be."""

from django.utils.translation import gettext

from cpo_platform.common.admin import register_note
from roaming.models import Partner, PartnerStatus, Role
from roaming.visibility import ONE_PARTY
from sessions_app.models import Cdr, CdrHold, Session


def credit_note(cdr_id: int) -> str:
    """Say that the partner of a CDR knows no credit CDRs, where that is so (OCPI 2.1.1)."""
    cdr = _cdr(cdr_id)
    partner = _partner_of(cdr) if cdr else None
    if partner is None or partner.version != ONE_PARTY:
        return ""
    return gettext(
        "%(partner)s speaks OCPI 2.1.1, which has no credit CDRs: it is sent neither a credit CDR "
        "nor one that replaces this. Send it the correction statement yourself."
    ) % {"partner": partner.name}


def recipient_of_cdr(cdr_id: int) -> str:
    """Say who gets what is issued for the session of a CDR."""
    cdr = _cdr(cdr_id)
    return _recipient(cdr) if cdr else ""


def recipient_of_hold(hold_id: int) -> str:
    """Say who gets a held CDR once it is issued."""
    hold = CdrHold.objects.select_related("session").filter(pk=hold_id).first()
    return _recipient(hold.session) if hold else ""


def _cdr(cdr_id: int) -> Cdr | None:
    return Cdr.objects.filter(pk=cdr_id).only("token_country_code", "token_party_id").first()


def _recipient(row: Cdr | Session) -> str:
    partner = _partner_of(row)
    provider = f"{row.token_country_code}*{row.token_party_id}"
    if partner is None:
        return gettext(
            "No partner speaks for %(provider)s at the moment: it is sent to nobody until one does."
        ) % {"provider": provider}
    return gettext("It goes to %(partner)s (%(provider)s), OCPI %(version)s.") % {
        "partner": partner.name,
        "provider": provider,
        "version": partner.version,
    }


def _partner_of(row: Cdr | Session) -> Partner | None:
    return Partner.objects.filter(
        status=PartnerStatus.REGISTERED,
        roles__role=Role.EMSP,
        roles__granted=True,
        roles__country_code=row.token_country_code,
        roles__party_id=row.token_party_id,
    ).first()


def register_credit_note() -> None:
    """Add the notes to the pages of CDRs, held ones, and those that are billed again."""
    register_note("cdrs", credit_note)
    register_note("cdr recipients", recipient_of_cdr)
    register_note("held cdrs", recipient_of_hold)
