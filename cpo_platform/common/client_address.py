"""Who sent a request: an address that the sender cannot choose."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

# Whoever has one address of IPv6 has the rest of its network, too.
IPV6_NETWORK = 64
NOBODY = "0.0.0.0"  # noqa: S104 - no interface to listen on: an address that nobody has


def client_address(request: HttpRequest) -> str:
    """Return the client's address as the outermost proxy of ours saw it.

    Each proxy writes at the end of X-Forwarded-For who called it: with `TRUSTED_PROXIES` of them,
    the last but so many is true, whatever the client wrote before. With fewer entries than that,
    somebody came in past a proxy, and only the connection itself is to be believed.
    """
    connected = request.META.get("REMOTE_ADDR") or NOBODY
    proxies: int = settings.TRUSTED_PROXIES
    if not proxies:
        return _plain(connected)
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _plain(entries[-proxies].strip() if len(entries) >= proxies else connected, connected)


def network_of(address: str) -> str:
    """Return what is limited together: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_NETWORK), strict=False).network_address)
    return address


def _plain(address: str, otherwise: str = NOBODY) -> str:
    """Return an address without port and zone; another one if it is none."""
    text = address.split("%", maxsplit=1)[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return NOBODY if otherwise == address else _plain(otherwise)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
