"""The tokens that partners call us with: given, offered, exchanged, and ended.

What a partner has is kept as a digest; docs/adr/0007 says which are good together, and how long.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, Q

from cpo_platform.common.secrets import digest
from roaming.models import Partner, PartnerStatus, PartnerToken, TokenPurpose

# A token that we offer is good for so long, should we die before we know whether it was taken.
OFFERED_FOR = timedelta(days=1)
# How long a partner is left alone after a handshake, before its tokens are exchanged by themselves.
RENEWAL_PAUSE = timedelta(hours=12)
MOST_RENEWALS = 100


def give_token(partner: Partner, token: str, *, purpose: str, now: datetime) -> None:
    """Make `token` the only one that the partner calls us with."""
    partner.tokens.all().delete()
    add_token(partner, token, purpose=purpose, now=now)


def add_token(
    partner: Partner,
    token: str,
    *,
    purpose: str,
    now: datetime,
    valid_until: datetime | None = None,
) -> None:
    """Give a partner one more token; `valid_until` None: until it is replaced."""
    PartnerToken.objects.create(
        partner=partner,
        digest=digest(token),
        purpose=purpose,
        created_at=now,
        valid_until=valid_until,
    )


def exchange_token(partner: Partner, token: str, *, now: datetime) -> None:
    """Make `token` the partner's, and leave those before it for a while.

    Our answer may be lost on its way: then the partner goes on with what it has, and asks again.
    """
    until = now + grace()
    older = partner.tokens.exclude(digest=digest(token))
    older.filter(Q(purpose=TokenPurpose.REGISTRATION) | Q(valid_until__lte=now)).delete()
    older.filter(still_valid(until)).update(valid_until=until)
    offered = partner.tokens.filter(digest=digest(token)).update(valid_until=None)
    if not offered:
        add_token(partner, token, purpose=TokenPurpose.OPERATION, now=now)


def grace() -> timedelta:
    """Return how long the tokens before an exchange stay good."""
    return timedelta(minutes=settings.TOKEN_GRACE_MINUTES)


def is_valid(*, partner_id: int, token: str, now: datetime) -> bool:
    """Tell whether this is a token of the partner's that opens something now."""
    return (
        PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token))
        .exclude(partner__status=PartnerStatus.SUSPENDED)
        .filter(still_valid(now))
        .exists()
    )


def still_valid(now: datetime) -> Q:
    """Return the condition that a `PartnerToken` is good at a moment."""
    return Q(valid_until__isnull=True) | Q(valid_until__gt=now)


def withdraw_token(*, partner_id: int, token: str) -> None:
    """Take back a token that was offered and not accepted."""
    PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token)).delete()


def keep_both_tokens(*, partner_id: int, token: str) -> None:
    """Let an offered token stand beside the present one: nobody knows which the partner uses."""
    PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token)).update(
        valid_until=None
    )


def end_grace(*, partner_id: int, token_id: int) -> None:
    """End the tokens that were replaced: the partner has shown that it has the newer one."""
    PartnerToken.objects.filter(
        partner_id=partner_id, pk__lt=token_id, valid_until__isnull=False
    ).delete()


def forget_expired_tokens(*, now: datetime) -> None:
    """Delete tokens past their time, ours and theirs; they open nothing any more."""
    PartnerToken.objects.filter(valid_until__lte=now).delete()
    Partner.objects.filter(previous_token_until__lte=now).update(
        previous_token_encrypted="", previous_token_until=None
    )


def due_for_renewal(*, now: datetime) -> list[int]:
    """Return the ids of registered partners whose tokens are old, and not tried lately."""
    if settings.TOKEN_RENEWAL_DAYS == 0:
        return []
    old = now - timedelta(days=settings.TOKEN_RENEWAL_DAYS)
    rows = (
        Partner.objects.filter(status=PartnerStatus.REGISTERED)
        .annotate(newest=Max("tokens__created_at"))
        .filter(newest__lte=old)
        .order_by("newest")
    )
    # `handshake` is what the last one did, whoever began it.
    tried = now - RENEWAL_PAUSE
    return [
        partner.pk
        for partner in rows[:MOST_RENEWALS]
        if not partner.handshake or datetime.fromisoformat(partner.handshake[-1]["at"]) <= tried
    ]
