"""A client behind trusted proxies: its address and scheme, from `Forwarded` (RFC 7239) or `X-Forwarded-For` and `-Proto`."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Address

HOPS = 32  # proxies in a row that are looked at: no real path has more
PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9_A-Za-z.-]+)?|([0-9A-Fa-f:.]+)")
# One element of `Forwarded`: pairs of a name and a token or a quoted text. A quote that is not closed takes all that follows.
# Nothing is given back once it is matched (`*+`): a header full of quotes would be read once for each of them.
ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+"?)++')
PAIR = r'(?:^|;)\s*%s\s*=\s*(?:"([^"]*)"|([^";,\s]+))\s*(?=;|$)'
FOR, PROTO = (re.compile(PAIR % name, re.IGNORECASE) for name in ("for", "proto"))
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class TrustedProxies:
    """The networks of the proxies whose word is taken; of nobody's if there are none."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(each) for each in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, peer: str) -> bool:
        """Whether the word of this address is taken."""
        return bool(self._networks) and self._trusts(_parsed(peer))

    def address(
        self, peer: str, forwarded: Sequence[str] = (), x_forwarded_for: Sequence[str] = ()
    ) -> str:
        """The client's address: the nearest one on the request's path that is no trusted proxy's.

        `peer` is at the other end of the connection; the others are the values of the two headers, in their order. Only a
        trusted peer's headers count. A proxy sets one header and may pass the other one on as the client sent it: if the two
        name different clients, neither is believed, and the address is the peer's.
        """
        if not self.trusts(peer):
            return peer
        found = {
            self._nearest(peer, hops)
            for hops in (_hops_of_forwarded(forwarded), _hops(x_forwarded_for))
            if hops
        }
        return found.pop() if len(found) == 1 else peer

    def scheme(
        self,
        peer: str,
        forwarded: Sequence[str] = (),
        x_forwarded_for: Sequence[str] = (),
        x_forwarded_proto: Sequence[str] = (),
    ) -> str | None:
        """`http` or `https`, whichever the client speaks with the outermost trusted proxy; None if that is not known.

        The parameters are as for `address`. If the two headers differ, neither is believed. Of several values in
        `X-Forwarded-Proto` the one beside the client's address counts, if there is one for each address.
        """
        if not self.trusts(peer):
            return None
        elements, protos = _elements(forwarded), _hops(x_forwarded_proto)
        said: list[str | None] = []
        if elements:
            said.append(_pair(PROTO, elements[self._place(_hops_of_forwarded(forwarded))]))
        if len(protos) == 1:
            said.append(protos[0])
        elif protos:
            hops = _hops(x_forwarded_for)
            said.append(protos[self._place(hops)] if len(hops) == len(protos) else "several")
        schemes = {SCHEMES.get(each.lower()) for each in said if each is not None}
        return schemes.pop() if len(schemes) == 1 else None

    def _place(self, hops: Sequence[str]) -> int:
        """The place of the hop that names the client; what stands further left is its own word."""
        place = len(hops)
        for hop in reversed(hops[-HOPS:]):
            place -= 1
            if not self._trusts(_parsed(hop)):
                break
        return place

    def _nearest(self, peer: str, hops: Sequence[str]) -> str:
        nearest = peer
        for hop in reversed(hops[-HOPS:]):
            address = _parsed(hop)
            if address is None:
                break  # hidden or broken: what is further away is not known
            nearest = str(address)
            if not self._trusts(address):
                break
        return nearest

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _hops(values: Sequence[str]) -> list[str]:
    return [hop.strip() for hop in ",".join(values).split(",")] if values else []


def _hops_of_forwarded(values: Sequence[str]) -> list[str]:
    return [_pair(FOR, element) or "" for element in _elements(values)]


def _elements(values: Sequence[str]) -> list[str]:
    return ELEMENT.findall(",".join(values)) if values else []


def _pair(pattern: re.Pattern[str], element: str) -> str | None:
    found = pattern.search(element)
    return None if found is None else found[1] or found[2] or ""


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address with or without a port; None if it is none. One of IPv4 that is written as IPv6 is that of IPv4."""
    match = PORT.fullmatch(text)
    if match is None:
        return None
    try:
        address = ip_address(match[1] or match[2] or match[3])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
