"""Authentication: tokens, sessions, guests, providers and tickets.

`provider` and `fetch` import an HTTP client. They are not imported here, so that a server without providers does not load one.
"""

from .access import Access, ShutOut
from .caller import Identity
from .claims import Claims, display_name, grant_of, may_enter, participant_id
from .identity import (
    COOKIE,
    GUEST,
    HOST_COOKIE,
    TICKET_LIFE,
    Guest,
    IdentityBook,
    bearer,
    origin_allowed,
    session_cookie,
    session_in,
    token_in_url,
)
from .key_file import KeyFileError, read_key, read_keys, rotate_keys
from .provider_fault import Unreachable, Untrusted, error_word
from .sign_in_state import (
    OLD_NAME,
    WAITING,
    Transaction,
    Used,
    sign_in_cookie,
    sign_in_cookie_name,
    unseal,
    waiting,
)
from .signing import Session, Signer

__all__ = [
    "COOKIE",
    "GUEST",
    "HOST_COOKIE",
    "OLD_NAME",
    "TICKET_LIFE",
    "WAITING",
    "Access",
    "Claims",
    "Guest",
    "Identity",
    "IdentityBook",
    "KeyFileError",
    "Session",
    "ShutOut",
    "Signer",
    "Transaction",
    "Unreachable",
    "Untrusted",
    "Used",
    "bearer",
    "display_name",
    "error_word",
    "grant_of",
    "may_enter",
    "origin_allowed",
    "participant_id",
    "read_key",
    "read_keys",
    "rotate_keys",
    "session_cookie",
    "session_in",
    "sign_in_cookie",
    "sign_in_cookie_name",
    "token_in_url",
    "unseal",
    "waiting",
]
