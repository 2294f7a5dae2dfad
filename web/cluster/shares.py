"""What all nodes must have in common though each reads it for itself: the keys of sessions, and the place of files.

A node says digests of it with its signs of life; one that has nothing in common with the others does not join.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS, FILES = "auth.key_file", "files.url"


def digest_of(secret: bytes) -> str:
    """What tells secrets of 32 random bytes apart, and says nothing of them."""
    return blake2b(secret, digest_size=8, person=b"salon node").hexdigest()


def shares_of(keys: Iterable[bytes], place: str) -> dict[str, list[str]]:
    """The digests by the settings' names. Nodes go together that have one of each in common: keys change one node at a time."""
    return {KEYS: [digest_of(key) for key in keys], FILES: [digest_of(place.encode())]}
