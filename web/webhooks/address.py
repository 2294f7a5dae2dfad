"""Which network addresses a webhook may reach. A name is resolved once; the checked address is the one connected to."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import trio

# A translator to IPv4, RFC 6052: the last four bytes are the address that is reached.
NAT64 = IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(Exception):
    """A host that has an address of a private network, or none at all. The text names no address."""


async def checked_address(host: str, port: int, *, allow_private: bool) -> str:
    """An address of a host. Raises `ForbiddenAddressError` if any of its addresses is private and these are not allowed.

    One private address is enough to refuse: whoever answers for a name may mix addresses to get one past a check of the first.
    """
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise ForbiddenAddressError("its host has no address") from None
    addresses = [str(each[4][0]) for each in found]
    if not addresses:
        raise ForbiddenAddressError("its host has no address")
    if not (allow_private or all(map(is_public, addresses))):
        raise ForbiddenAddressError("its host has an address of a private network")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address, written without brackets, is one of the public internet, also where it wraps one of IPv4."""
    inner = _unwrapped(ip_address(address.partition("%")[0]))
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that is reached by this one, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if int(address) >> 32 == 0:  # "IPv4-compatible", out of use
        return IPv4Address(int(address))
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
