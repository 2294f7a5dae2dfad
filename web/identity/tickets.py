"""Tickets that any node of a cluster takes: the identity itself, signed, for some seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from salon.actors.model import Participant

from .caller import Identity

if TYPE_CHECKING:
    from .signing import Signer

TYPE = "ticket+jwt"  # no session, whatever else it says


class Opened(NamedTuple):
    """A ticket that one of the nodes has issued. The caller checks whether it is used or has ended, and whose it is."""

    id: str
    ends: int
    identity: Identity


def sealed(signer: Signer, identity: Identity, id: str, ends: int) -> str:
    """A ticket with an id of its own that ends then, in milliseconds since the epoch."""
    who = identity.participant
    return signer.seal(
        TYPE,
        {
            "jti": id,
            "ends": ends,
            "who": [who.id, who.name, who.type],
            "admin": identity.admin,
            "token": identity.token_id,
            "expires": identity.expires_at,
            "issued": identity.issued_at,
            "only": None if identity.conversations is None else sorted(identity.conversations),
        },
    )


def unsealed(signer: Signer, ticket: str) -> Opened | None:
    """What a ticket says; None for what no node has issued."""
    claims = signer.unseal(TYPE, ticket)
    if claims is None:
        return None
    only = claims["only"]
    identity = Identity(
        Participant(*claims["who"]),
        claims["admin"],
        claims["token"],
        claims["expires"],
        "ticket",
        None if only is None else frozenset(only),
        claims["issued"],
    )
    return Opened(claims["jti"], claims["ends"], identity)
