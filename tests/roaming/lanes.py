"""The lanes of a partner's feed, in tests."""

from cpo_platform.common import clock
from roaming import draining
from roaming.models import Delivery, Feed, Lane, Partner
from roaming.operations import feed


def feed_of(partner: Partner, lane: Lane = Lane.NETWORK) -> Feed:
    return Feed.objects.get(partner=partner, lane=lane)


def open_lanes(partner: Partner) -> None:
    """Give a partner its lanes, from the beginning of the change feed."""
    Feed.objects.bulk_create(Feed(partner=partner, lane=lane) for lane in Lane)


def attend(partner: Partner, turn: draining.Turn) -> None:
    """Drain what is of the network once, for a turn."""
    draining.attend_alone(feed_of(partner).pk, turn)


def drain(partner: Partner) -> int:
    """Drain every lane now, whatever pause was set; return how many requests that took."""
    Feed.objects.update(retry_at=None, lease_until=None)
    Delivery.objects.filter(due_at__isnull=False).update(due_at=clock.now())
    feed.announce_due(now=clock.now())
    return sum(draining.drain(feed_of(partner, lane).pk) for lane in Lane)
