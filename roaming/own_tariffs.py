"""Which tariffs staff made for an eMSP, for sessions that are about to be priced."""

from roaming.models import Partner, PartnerStatus, Role


class PartnerTariffs:
    """The `sessions_app.own_tariffs.OwnTariffs` of this platform: `Partner.tariffs`."""

    def of(self, *, country_code: str, party_id: str) -> frozenset[int]:
        """Return the own tariffs of the partner that speaks for the eMSP. One query."""
        ids = Partner.objects.filter(
            status=PartnerStatus.REGISTERED,
            tariffs__isnull=False,
            roles__role=Role.EMSP,
            roles__granted=True,
            roles__country_code=country_code,
            roles__party_id=party_id,
        ).values_list("tariffs", flat=True)
        return frozenset(ids)
