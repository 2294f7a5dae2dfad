"""The client for programs without an event loop, such as scripts and Django: the same calls, and each waits for its result."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar

from anyio import to_thread

from .client import Client
from .loop_thread import LoopThread
from .sync_conversation import SyncConversation

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from .rules import Frame
    from .tokens import Renew
    from .transfer import Progress
    from .wire import Headers

P = ParamSpec("P")
R = TypeVar("R")


class SyncDownload(NamedTuple):
    """A file on its way: the bytes that it has in all, what it is, and its bytes as they come."""

    size: int
    media_type: str
    pieces: Iterator[bytes]


class _Call(Generic[P, R]):
    """A method of `Client` that waits for its result."""

    def __init__(self, method: Callable[Concatenate[Client, P], Awaitable[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, client: SyncClient, owner: type[SyncClient]) -> Callable[P, R]:
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return client.loop.call(partial(self._method, client.asynchronous, *args, **kwargs))

        call.__doc__ = self.__doc__
        return call


class SyncClient:
    """A client of one server, acting as one person: `with SyncClient(url) as client:`. Its methods are those of `Client`.

    The parameters are those of `Client`, too. Any number of threads may use it at once. It works in a thread of its own, which
    starts with the first call and ends with the block, with `close`, or with the process: one client may serve a whole program.
    In a forked process it starts again.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        renew: Renew | None = None,
        headers: Headers = (),
        ssl_context: ssl.SSLContext | None = None,
        answer_timeout: float = 30.0,
    ) -> None:
        self.asynchronous = Client(
            url,
            token=token,
            renew=renew,
            headers=headers,
            ssl_context=ssl_context,
            answer_timeout=answer_timeout,
        )
        self.loop = LoopThread()

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Sync{self.asynchronous!r}"

    @property
    def url(self) -> str:
        """The server's URL."""
        return self.asynchronous.url

    @property
    def token(self) -> str | None:
        """Whom the client acts as, None for nobody; may be set. `renew` replaces it."""
        return self.asynchronous.token

    @token.setter
    def token(self, token: str | None) -> None:
        self.asynchronous.token = token

    def close(self) -> None:
        """End all that is under way, and forget the token and `renew`. Calls raise RuntimeError from now on."""
        self.loop.close()
        self.asynchronous._tokens.forget()

    def new_key(self) -> str:
        """A new idempotency key."""
        return self.asynchronous.new_key()

    @contextmanager
    def conversation(
        self,
        conversation_id: str,
        last_sequence_id: int | None = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> Iterator[SyncConversation]:
        """A conversation that reconnects by itself until the end of the block; `options` are those of `Client.conversation`.

        `timeout` bounds each of its calls that waits, in seconds.
        """
        live = self.asynchronous.conversation(conversation_id, last_sequence_id, **options)
        with self.loop.entered(live) as conversation:
            yield SyncConversation(conversation, self.loop, timeout)

    def upload(
        self,
        conversation_id: str,
        source: str | os.PathLike[str] | bytes | Iterable[bytes],
        name: str | None = None,
        *,
        size: int | None = None,
        progress: Progress = lambda done, size: None,
    ) -> Frame:
        """Upload a file, as `Client.upload` does; `source` may be an iterable of bytes, such as `chunks()` of Django's files."""
        given = source if isinstance(source, str | os.PathLike | bytes) else _pieces(source)
        upload = self.asynchronous.upload
        return self.loop.call(
            partial(upload, conversation_id, given, name, size=size, progress=progress)
        )

    @contextmanager
    def download(
        self, conversation_id: str, file_id: str, *, start: int = 0, preview: int | None = None
    ) -> Iterator[SyncDownload]:
        """A file, as `Client.download` gives it: `with client.download(...) as file: for piece in file.pieces: ...`."""
        download = self.asynchronous.download
        with self.loop.entered(
            download(conversation_id, file_id, start=start, preview=preview)
        ) as file:
            yield SyncDownload(file.size, file.media_type, self._taken(file.pieces))

    def _taken(self, pieces: AsyncIterator[bytes]) -> Iterator[bytes]:
        while piece := self.loop.call(lambda: anext(pieces, b"")):
            yield piece

    fetch = _Call(Client.fetch)
    request = _Call(Client.request)
    guest = _Call(Client.guest)
    recover = _Call(Client.recover)
    me = _Call(Client.me)
    ticket = _Call(Client.ticket)
    rename = _Call(Client.rename)
    create = _Call(Client.create)
    conversations = _Call(Client.conversations)
    details = _Call(Client.details)
    update = _Call(Client.update)
    join = _Call(Client.join)
    leave = _Call(Client.leave)
    post = _Call(Client.post)
    start_run = _Call(Client.start_run)
    extend_run = _Call(Client.extend_run)
    end_run = _Call(Client.end_run)
    decide_approval = _Call(Client.decide_approval)
    cancel_run = _Call(Client.cancel_run)
    regenerate_run = _Call(Client.regenerate_run)
    update_agent = _Call(Client.update_agent)
    history = _Call(Client.history)
    search = _Call(Client.search)
    mark_read = _Call(Client.mark_read)

    edit = _Call(Client.edit)
    delete = _Call(Client.delete)
    react = _Call(Client.react)
    unreact = _Call(Client.unreact)
    pin = _Call(Client.pin)
    unpin = _Call(Client.unpin)
    thread = _Call(Client.thread)

    direct = _Call(Client.direct)
    delete_conversation = _Call(Client.delete_conversation)
    set_preferences = _Call(Client.set_preferences)
    held = _Call(Client.held)
    approve_held = _Call(Client.approve_held)
    deny_held = _Call(Client.deny_held)
    set_role = _Call(Client.set_role)
    remove = _Call(Client.remove)
    ban = _Call(Client.ban)
    unban = _Call(Client.unban)
    mute = _Call(Client.mute)
    unmute = _Call(Client.unmute)
    members = _Call(Client.members)
    bans = _Call(Client.bans)
    mutes = _Call(Client.mutes)
    create_invite = _Call(Client.create_invite)
    invites = _Call(Client.invites)
    revoke_invite = _Call(Client.revoke_invite)
    accept_invite = _Call(Client.accept_invite)
    request_join = _Call(Client.request_join)
    join_requests = _Call(Client.join_requests)
    approve_join = _Call(Client.approve_join)
    deny_join = _Call(Client.deny_join)
    report = _Call(Client.report)


async def _pieces(source: Iterable[bytes]) -> AsyncIterator[bytes]:
    """What an iterable gives, read beside the loop: it may be a file."""
    iterator = iter(source)
    while piece := await to_thread.run_sync(next, iterator, b""):
        yield piece
