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
    """Drain every lane that has news now, whatever pause was set; return how many requests."""
    Feed.objects.update(retry_at=None, lease_until=None)
    Delivery.objects.filter(due_at__isnull=False).update(due_at=clock.now())
    feed.announce_due(now=clock.now())
    return sum(_drain_news(feed_of(partner, lane).pk) for lane in Lane)


def _drain_news(feed_id: int) -> int:
    """Drain a lane if whoever wakes the lanes would have it drained."""
    feed.sequence_changes()
    return draining.drain(feed_id) if feed_id in feed.feeds_with_news(now=clock.now()) else 0
