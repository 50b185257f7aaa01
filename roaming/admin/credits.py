"""What staff must know before it credits a CDR: not every partner can be told."""

from django.utils.translation import gettext

from cpo_platform.common.admin import register_note
from roaming.models import Partner, PartnerStatus, Role
from roaming.visibility import ONE_PARTY
from sessions_app.models import Cdr


def credit_note(cdr_id: int) -> str:
    """Say that the partner of a CDR knows no credit CDRs, where that is so (OCPI 2.1.1)."""
    cdr = Cdr.objects.filter(pk=cdr_id).only("token_country_code", "token_party_id").first()
    if cdr is None:
        return ""
    partner = Partner.objects.filter(
        status=PartnerStatus.REGISTERED,
        version=ONE_PARTY,
        roles__role=Role.EMSP,
        roles__granted=True,
        roles__country_code=cdr.token_country_code,
        roles__party_id=cdr.token_party_id,
    ).first()
    if partner is None:
        return ""
    return gettext(
        "%(partner)s speaks OCPI 2.1.1, which has no credit CDRs: it is not sent one. Tell it "
        "yourself."
    ) % {"partner": partner.name}


def register_credit_note() -> None:
    """Add the note to the pages of CDRs."""
    register_note("cdrs", credit_note)
