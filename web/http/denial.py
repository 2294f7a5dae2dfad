"""A refusal that the head of a request alone deserves: nothing of its body is kept, and no parser behind the stream sees it."""

from __future__ import annotations

from typing import NamedTuple

from .request import SAFE_METHODS
from .upload import is_upload

# Seconds to wait for the rest of a body. Most bodies are sent along with the head; on a slow line they arrive later.
REST_OF_BODY = 5.0
# Bytes of an upload that are worth waiting for. The client of a longer one is told at once that it is refused.
SHORT_UPLOAD = 1_048_576
# Seconds in which the rest of a refused upload is read and dropped: many clients read the answer only after they have sent all.
LINGER_FOR_UPLOAD = 20.0
CLOSE = b"connection: close\r\n"


class DeniedRequest(NamedTuple):
    """What a refused request was about, for those who trace it."""

    method: str
    route: str
    conversation_id: str | None
    status: int


class DeniedBody(NamedTuple):
    """The body of a refused request: its bytes, and how long to wait for them. `size` None: only a parser can find the end."""

    size: int | None
    patience: float = 0.0  # seconds
    linger: float | None = (
        None  # seconds to read on after a connection that ends, where it is longer than usual
    )
    announced: bool = True  # the end of the connection, if the body does not come whole

    @classmethod
    def of(cls, method: str, path: str, size: int | None, *, most: int) -> DeniedBody:
        """The body of a request; `most` bounds the bytes of one that is no upload, 0 for no bound."""
        upload = is_upload(method, path)
        linger = LINGER_FOR_UPLOAD if upload else None
        if size is None:
            return cls(None, linger=linger or REST_OF_BODY)
        if method in SAFE_METHODS:
            return cls(size, announced=False)
        too_long = size > SHORT_UPLOAD if upload else 0 < most < size
        return cls(size, 0.0 if too_long else REST_OF_BODY, linger)


class Denial(NamedTuple):
    """The answer to a request that is refused by its head, and what is still to come of the request."""

    before: bytes  # the answer as far as the place of `Connection: close`
    after: bytes  # and the rest of it
    head: int  # bytes of the request's head
    body: DeniedBody
    ends: bool  # the client, or the form of the body, makes it the last on its connection
    interim: bytes  # what is sent before the body is waited for
    asked: DeniedRequest

    def answer(self, *, whole: bool) -> bytes:
        """The whole answer; `whole` if the body has come, otherwise the connection cannot go on."""
        announced = self.body.announced and not whole and not self.ends
        return self.before + (CLOSE if announced else b"") + self.after
