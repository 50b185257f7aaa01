"""Channels are written by staff; the secret of a webhook is kept encrypted."""

from collections.abc import Iterable

from django.db import transaction

from cpo_platform.alerting.models import Channel, ChannelKind
from cpo_platform.common import http, secrets

SHORTEST_SECRET = 16


class BadChannel(ValueError):
    """A channel could reach nobody; `field` is to blame."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@transaction.atomic
def put_channel(
    *,
    channel: Channel,
    secret: str = "",
    user_ids: Iterable[int] = (),
    rule_ids: Iterable[int] = (),
    party_ids: Iterable[int] = (),
    group_ids: Iterable[int] = (),
) -> Channel:
    """Write a channel, new or changed; without a `secret` it keeps the one that it has.

    Raises:
        BadChannel: a webhook without address or secret, or an e-mail channel without recipients.

    """
    users = list(user_ids)
    if secret:
        channel.secret_encrypted = secrets.encrypt(secret)
    if channel.kind == ChannelKind.WEBHOOK:
        _check_webhook(channel, secret)
    elif not users and not channel.addresses:
        raise BadChannel("addresses", "nobody is named who is to be told")
    channel.save()
    channel.users.set(users)
    channel.rules.set(list(rule_ids))
    channel.parties.set(list(party_ids))
    channel.location_groups.set(list(group_ids))
    return channel


def _check_webhook(channel: Channel, secret: str) -> None:
    try:
        http.check_url(channel.url)
    except http.UnsafeUrl as error:
        raise BadChannel("url", str(error)) from error
    if not channel.secret_encrypted:
        raise BadChannel("secret", "a webhook needs a secret, which its requests are signed with")
    if secret and len(secret) < SHORTEST_SECRET:
        raise BadChannel("secret", f"at least {SHORTEST_SECRET} characters")


@transaction.atomic
def delete_channel(*, channel_id: int) -> None:
    """Delete a channel, with what it was sent."""
    Channel.objects.filter(pk=channel_id).delete()
