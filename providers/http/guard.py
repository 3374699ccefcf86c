"""Which addresses may be called when we did not write them ourselves: http(s) to public addresses, resolved once.

Every address a name resolves to must be public, or none is used; callers connect to what came back, never to the name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)
_BANNED = (
    "is_multicast",
    "is_reserved",
    "is_unspecified",
    "is_loopback",
    "is_link_local",
    "is_site_local",
    "is_private",
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PrivateHosts = Collection[tuple[str, int]]


class Refused(Exception):
    """This address must not be called."""


class Unresolved(Exception):
    """The name has no address."""


def pin(url: str, private_hosts: PrivateHosts = ()) -> tuple[str, ...]:
    """The addresses to connect to for this URL. Raises Refused or Unresolved."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise Refused("only http and https addresses are allowed")
    host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    found = _resolve(host, port)
    if (host, port) not in private_hosts and not all(is_public(address) for address in found):
        raise Refused(f"the address {host} is private and refused")
    return found


def is_public(address: str) -> bool:
    try:
        found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    return found.is_global and not any(getattr(found, trait, False) for trait in _BANNED)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside a mapped, NAT64 or 6to4 one: that is where the packets go."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _resolve(host: str, port: int) -> tuple[str, ...]:
    if _NUMERIC.fullmatch(host) and not _is_ip(host):
        raise Refused(f"{host} is not a proper address")  # 2130706433, 127.1, 0x7f.1: libraries disagree on these
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unresolved(f"the name {host} has no address") from None
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
