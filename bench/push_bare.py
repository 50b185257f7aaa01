"""The bare client: the same requests to the same sink, by aiohttp and nothing else.

    python -m bench.push_bare --connections 32 < requests

Standard input is a pickled list of (method, url, headers, body), made by `bench.push`.
"""

import argparse
import asyncio
import pickle
import sys
from collections.abc import Iterator

import aiohttp

Sent = tuple[str, str, dict[str, str], bytes | None]


async def send_all(requests: list[Sent], connections: int) -> None:
    """Send every request over so many kept connections, and read every answer."""
    waiting = iter(requests)
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(_send(session, waiting) for _ in range(connections)))


async def _send(session: aiohttp.ClientSession, waiting: Iterator[Sent]) -> None:
    for method, url, headers, body in waiting:
        async with session.request(method, url, headers=headers, data=body) as response:
            await response.read()
            assert response.status in {200, 201}, f"{method} {url} was answered {response.status}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.push_bare", description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    connections = parser.parse_args().connections
    requests: list[Sent] = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own parent
    asyncio.run(send_all(requests, connections))


if __name__ == "__main__":
    main()
