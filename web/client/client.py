"""The public client: HTTP calls, and conversations that reconnect by themselves."""

from __future__ import annotations

import json
import os
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import SystemRandom
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import anyio

from .change_calls import ChangeCalls
from .conversation import Conversation, Statistics
from .fold import Messages
from .member_calls import MemberCalls
from .rules import (
    ChangeReceipt,
    Closed,
    Frame,
    Gap,
    MessageHeld,
    Receipt,
    Refused,
    Unreachable,
    Window,
    given,
    is_event,
    message_fields,
)
from .run import Request, Run
from .run_calls import RunCalls
from .tokens import UNAUTHENTICATED, Renew, Tokens, TokenUnavailable
from .transfer import Download, Progress, Source, download, exchange, upload
from .wire import Dial, Headers, Response, Socket, Target, connect, fetch

__all__ = [
    "ChangeReceipt",
    "Client",
    "Closed",
    "Conversation",
    "Download",
    "Frame",
    "Gap",
    "MessageHeld",
    "Messages",
    "Receipt",
    "Refused",
    "Request",
    "Response",
    "Run",
    "Socket",
    "Statistics",
    "TokenUnavailable",
    "Unreachable",
    "connect",
    "is_event",
]

R = TypeVar("R")

SYSTEM_RANDOM = SystemRandom()


class Client(ChangeCalls, MemberCalls, RunCalls):
    """A client of one server, acting as one person.

    `url` is the server's http or https URL, including the path if a proxy adds one. `token` may be set or replaced later; the
    end of the block clears it, and `renew`. `random` gives floats from 0 to 1, from which keys and delays are made. `dial`
    replaces the TCP or TLS connection by any byte stream of anyio. Every call may raise Refused and Unreachable. Without
    `renew` no call is retried, and each takes `answer_timeout` seconds at most. It runs under asyncio and under trio, and
    belongs to the loop that it is used in.

    `renew` gets a new token of the same person. It is called where there is no `token`, where the server says that the one in
    use has ended, and a minute before the one of an open conversation ends, which then goes on without a reconnect. A call that
    is refused with 401 is made once more with the new token, and may take three times as long. An async function runs in the
    client's loop; a plain one runs in a thread of its own, so that it may wait. It has `answer_timeout` seconds, and all who need
    a token at once share one call. If it raises, takes longer or gives something else, the call raises TokenUnavailable, an
    Unreachable; a conversation signals it and tries again. If it gives the same token again, the server's refusal is raised as
    without `renew`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        renew: Renew | None = None,
        headers: Headers = (),
        random: Callable[[], float] = SYSTEM_RANDOM.random,
        dial: Dial | None = None,
        ssl_context: ssl.SSLContext | None = None,
        answer_timeout: float = 30.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._host = Target.of(url).host
        self._tokens = Tokens(token, renew)
        self.random = random
        self.answer_timeout = answer_timeout
        self._headers = headers
        self._dial = dial
        self._ssl_context = ssl_context

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tokens.forget()

    def __repr__(self) -> str:
        return f"Client({self._host!r})"

    @property
    def token(self) -> str | None:
        """Whom the client acts as, None for nobody; may be set. `renew` replaces it."""
        return self._tokens.token

    @token.setter
    def token(self, token: str | None) -> None:
        self._tokens.token = token

    async def fetch(
        self, method: str, path: str, body: Frame | None = None, more: Headers = ()
    ) -> Response:
        """Any HTTP exchange as this person, with `more` headers; returns the answer whatever its status."""
        token = await self._tokens.at_hand(self.answer_timeout)
        response = await self._fetch(token, method, path, body, more)
        if response.status == UNAUTHENTICATED:
            other = await self._tokens.renewed(token, self.answer_timeout)
            if other is not None:
                response = await self._fetch(other, method, path, body, more)
        return response

    async def request(
        self, method: str, path: str, body: Frame | None = None, more: Headers = ()
    ) -> Frame:
        """Any HTTP exchange answered by a JSON object or an empty body; raises Refused from status 300 up."""
        response = await self.fetch(method, path, body, more)
        try:
            return response.answer()
        except Refused as refused:
            self._tokens.explain(refused)
            raise

    async def guest(self, name: str | None = None) -> Frame:
        """Create a guest, `{token, participant, recovery_code}`; the client acts as this guest from now on."""
        return await self._become("/auth/guest", given(name=name))

    async def recover(self, recovery_code: str) -> Frame:
        """Return as the guest with this recovery code; the answer is that of `guest`."""
        return await self._become("/auth/recover", {"recovery_code": recovery_code})

    async def me(self) -> Frame:
        """Who the client acts as: `{id, name, admin}`. Raises Refused with UNAUTHENTICATED for nobody."""
        return await self.request("GET", "/auth/me")

    async def ticket(self) -> str:
        """A ticket for `?ticket=` of one handshake, valid for 30 seconds."""
        return str((await self.request("POST", "/auth/ticket"))["ticket"])

    async def rename(self, name: str) -> Frame:
        """Change this person's name, on all devices and in all conversations."""
        return await self.request("PATCH", "/auth/me", {"name": name})

    async def create(
        self, /, title: str, participants: Sequence[Mapping[str, str]] = (), **options: Any
    ) -> Frame:
        """Create a conversation; `participants` are `{user_id, name}`, `options` its other fields."""
        body = {"title": title, "participants": [dict(it) for it in participants], **options}
        return await self.request("POST", "/chat/create", body)

    async def conversations(
        self,
        limit: int = 20,
        offset: int = 0,
        before: int | None = None,
        archived: str | None = None,
    ) -> Frame:
        """A page of this person's conversations; its `before` asks for the next one. `archived` is true, false or all."""
        more = given(before=before, archived=archived)
        query = urlencode({"limit": limit, "offset": offset, **more})
        return await self.request("GET", f"/chat/my-conversations?{query}")

    async def details(self, conversation_id: str) -> Frame:
        """The conversation with its members and its last 100 messages."""
        return await self.request("GET", f"/chat/conversations/{_quoted(conversation_id)}")

    async def update(self, /, conversation_id: str, **changes: Any) -> Frame:
        """Change `title`, `metadata` (None removes it), `permissions`, `history`, `slow_mode`. Returns the whole conversation."""
        return await self.request("PATCH", f"/chat/{_quoted(conversation_id)}", changes)

    async def join(
        self, conversation_id: str, participant: Mapping[str, str] | None = None
    ) -> Frame:
        """Join, or add `participant` (`{user_id, name}`)."""
        body = {} if participant is None else {"participant": dict(participant)}
        return await self.request("POST", f"/chat/{_quoted(conversation_id)}/join", body)

    async def leave(self, conversation_id: str) -> Frame:
        """Leave a conversation. Its live conversations here end without an error."""
        return await self.request("DELETE", f"/chat/{_quoted(conversation_id)}/leave")

    async def post(
        self,
        conversation_id: str,
        content: str,
        key: str | None = None,
        reply_to: str | None = None,
        metadata: Frame | None = None,
        mentions: Sequence[str] = (),
        files: Sequence[str | Mapping[str, str]] = (),
        thread_id: str | None = None,
        also_in_channel: bool = False,
    ) -> Receipt:
        """Send over HTTP, once. After Unreachable, post again with the same `key`. `mentions` are ids of members.

        `files` were uploaded before: ids, or `{file_id, alt}` with what they show in words. With files, `content` may be "".
        `thread_id` makes it a reply in the thread of that message, which the main log shows only with `also_in_channel`.
        """
        key = key or self.new_key()
        body = message_fields(
            content, key, reply_to, metadata, mentions, files, thread_id, also_in_channel
        )
        path = f"/chat/{_quoted(conversation_id)}/messages"
        answer = await self.request("POST", path, body)
        if "held_id" in answer:
            raise MessageHeld(answer)
        return Receipt.of(answer)

    async def upload(
        self,
        conversation_id: str,
        source: Source,
        name: str | None = None,
        *,
        size: int | None = None,
        progress: Progress = lambda done, size: None,
    ) -> Frame:
        """Upload a file for a message: `{file_id, name, media_type, size, width?, height?}`; `post` takes the `file_id`.

        `source` is a path, bytes, or an async iterable of bytes, which may have `size` bytes in all; by default `name` is that of
        the path. `progress` is called with the bytes sent so far and with all of them, or None. There is no bound for the whole,
        but `answer_timeout` for each piece. After Unreachable, upload again: what nobody sends is deleted. An iterable cannot
        begin again: if the token has ended, this raises Refused with 401, and the next upload has the new token of `renew`.
        """
        if name is None and isinstance(source, str | os.PathLike):
            name = os.path.basename(source)  # noqa: PTH119  # of anything that open() takes
        query = urlencode(given(name=name))
        url = f"{self.url}/chat/{_quoted(conversation_id)}/files?{query}"

        async def attempt(token: str | None) -> Frame:
            async with exchange(url, self._dial, self._ssl_context, self.answer_timeout) as asked:
                return (await upload(asked, self._identity(token), source, size, progress)).answer()

        is_there = isinstance(source, str | os.PathLike | bytes)
        return await self._as_self(attempt, once=not is_there)

    @asynccontextmanager
    async def download(
        self, conversation_id: str, file_id: str, *, start: int = 0, preview: int | None = None
    ) -> AsyncIterator[Download]:
        """A file: `async with client.download(...) as file: async for piece in file.pieces: ...`.

        It begins at byte `start`, to go on after a drop; with `preview` it is a WebP picture of about so many pixels. There is no
        bound for the whole, but `answer_timeout` for each piece.
        """
        of_preview = "" if preview is None else f"/preview?{urlencode({'size': preview})}"
        url = f"{self.url}/chat/{_quoted(conversation_id)}/files/{_quoted(file_id)}{of_preview}"
        part = [("Range", f"bytes={start}-")] if start else []
        async with AsyncExitStack() as stack:

            async def attempt(token: str | None) -> Download:
                asked = exchange(url, self._dial, self._ssl_context, self.answer_timeout)
                return await stack.enter_async_context(
                    download(asked, [*self._identity(token), *part], start)
                )

            yield await self._as_self(attempt)

    async def history(
        self,
        conversation_id: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Frame:
        """One page of the log, `{events, head_sequence_id, has_more}`; bounds excluded."""
        query = urlencode(given(after=after, before=before, limit=limit))
        return await self.request("GET", f"/chat/{_quoted(conversation_id)}/messages?{query}")

    async def search(
        self, /, q: str = "", *, sender: str | None = None, **options: str | int
    ) -> Frame:
        """A page of messages that match, `{hits, next, complete}`; `sender` is the route's `from`.

        `options` are the route's others: conversation_id, after, before, has, limit, cursor (the `next` of the page before).
        """
        query = urlencode({"q": q, **given(**{"from": sender}), **options})
        return await self.request("GET", f"/chat/search?{query}")

    async def mark_read(
        self,
        conversation_id: str,
        sequence_id: int,
        thread_id: str | None = None,
        *,
        force: bool = False,
    ) -> Frame:
        """Mark everything up to `sequence_id` as read; `{read_sequence_id, unread_count}`.

        `thread_id` means the thread of that message. With `force` the position may move back: what follows is unread again.
        """
        path = f"/chat/{_quoted(conversation_id)}/read"
        more = given(thread_id=thread_id, force=force or None)
        return await self.request("POST", path, {"sequence_id": sequence_id, **more})

    @asynccontextmanager
    async def socket(
        self, conversation_id: str, last_sequence_id: int | None = None, **options: Any
    ) -> AsyncIterator[Socket]:
        """A raw socket into a conversation as this person; `options` are those of `connect`.

        It ends with its token: `auth_expiring` and `auth` are the caller's, as all frames are.
        """
        query = urlencode(given(last_sequence_id=last_sequence_id))
        url = f"{self.url}/chat/ws/{_quoted(conversation_id)}?{query}"
        own = {"dial": self._dial, "ssl_context": self._ssl_context}
        options = {**own, "handshake_timeout": self.answer_timeout, **options}
        async with AsyncExitStack() as stack:

            async def attempt(token: str | None) -> Socket:
                made = connect(url, headers=self._identity(token), **options)
                socket = await stack.enter_async_context(made)
                socket.token = token
                return socket

            yield await self._as_self(attempt)

    @asynccontextmanager
    async def conversation(
        self,
        conversation_id: str,
        last_sequence_id: int | None = None,
        *,
        epoch: str | None = None,
        outbox: int = 200,
        window: int = 1000,
        backoff: tuple[float, float] = (1.0, 30.0),
    ) -> AsyncIterator[Conversation]:
        """A conversation that reconnects by itself until the end of the block.

        It begins after `last_sequence_id` (0: with the first event; None: with the last 50). `epoch` names the log that this
        number belongs to, if the caller kept it. `outbox` bounds the messages sent and without a receipt (a server takes 250
        from one person); further messages wait. `window` bounds the events that wait to be taken. `backoff` is base and cap
        of the delay in seconds.
        """
        events = Window(window, last_sequence_id, epoch)
        conversation = Conversation(self, self._tokens, conversation_id, events, outbox, backoff)
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conversation._run)
            try:
                yield conversation
            except Exception as error:  # raised outside the task group, which would wrap it
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def new_key(self) -> str:
        """A new idempotency key: 122 random bits as 32 hex digits."""
        number = 0
        for _ in range(4):
            number = number << 32 | int(self.random() * 2**32)
        return uuid.UUID(int=number, version=4).hex

    async def _become(self, path: str, body: Frame) -> Frame:
        response = await self._fetch(self.token, "POST", path, body)  # 401 is no word on the token
        answer = response.answer()
        self.token = answer["token"]
        return answer

    async def _fetch(
        self, token: str | None, method: str, path: str, body: Frame | None, more: Headers = ()
    ) -> Response:
        headers = [*self._identity(token), *more]
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        return await fetch(
            method,
            self.url + path,
            headers=headers,
            body=b"" if body is None else json.dumps(body).encode(),
            dial=self._dial,
            ssl_context=self._ssl_context,
            answer_timeout=self.answer_timeout,
        )

    async def _as_self(
        self, attempt: Callable[[str | None], Awaitable[R]], *, once: bool = False
    ) -> R:
        """An attempt with the token at hand, and unless it is `once`, another one if the server refuses that token."""
        token = await self._tokens.at_hand(self.answer_timeout)
        try:
            return await attempt(token)
        except Refused as refused:
            if refused.status != UNAUTHENTICATED:
                raise
            other = await self._tokens.renewed(token, self.answer_timeout)
            if other is None:
                self._tokens.explain(refused)
            if other is None or once:
                raise
        return await attempt(other)

    def _identity(self, token: str | None) -> Headers:
        if token is None:
            return self._headers
        if not re.fullmatch(r"[!-~]+", token):
            raise ValueError("the token holds what a header cannot carry")
        return [*self._headers, ("Authorization", f"Bearer {token}")]


def _quoted(conversation_id: str) -> str:
    return quote(conversation_id, safe="")
