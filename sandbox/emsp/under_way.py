"""Which requests are being answered: two for one object at a time have no order.

OCPI says nothing of it, but a CPO that sends two states of one object at once cannot know which of
them stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

_WRITES = frozenset({"PUT", "PATCH", "DELETE"})
# Owner and id: what is below a location goes with it.
_IDENTITY = 3


class UnderWay:
    """The requests that have come and are not answered yet, by what they write."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, ...], list[web.Request]] = {}

    @contextmanager
    def one(self, request: web.Request, module: str, path: tuple[str, ...]) -> Iterator[bool]:
        """Hold one request for the length of a block; tell whether another is there before it.

        One whose sender has hung up does not count: he knows nothing of its fate, and may ask
        again.
        """
        key = (module, *(part.lower() for part in path[:_IDENTITY]))
        if request.method not in _WRITES or len(path) < _IDENTITY:
            yield False
            return
        others = self._requests.setdefault(key, [])
        waited_for = any(_is_waited_for(other) for other in others)
        others.append(request)
        try:
            yield waited_for
        finally:
            others.remove(request)
            if not others:
                del self._requests[key]


def _is_waited_for(request: web.Request) -> bool:
    transport = request.transport
    return transport is not None and not transport.is_closing()
