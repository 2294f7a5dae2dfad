"""The stream about all conversations of a person, and the task that reads what has changed: once a second for each stream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio
from quart import Blueprint, Response, request
from quart_schema import document_response, tag

from salon.actors.refusals import Code
from salon.actors.store import StoreError

from ..http import PersonalEvents, refusals
from ..identity import bearer
from ..socket import PersonalConnection, Phase
from .conversations import conversation_line
from .event_stream import asked_for, event_head, stream_to
from .handshake import admit, attach, identified

if TYPE_CHECKING:
    from ..http import Parts

EVERY = 1.0  # seconds between two looks for one stream: many changes are one line each
SOON = 0.1  # seconds from a change to the look, where there was none for a while
AT_ONCE = 2  # looks at the store: they come after everything else
LINES = 50  # of one look

logger = logging.getLogger(__name__)


class PersonalFeed:
    """Looks for the streams whose conversations have changed. `run` has to run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._changed: dict[PersonalConnection, None] = {}
        self._woken = trio.Event()
        self._places = trio.CapacityLimiter(AT_ONCE)

    def wake(self, connection: PersonalConnection) -> None:
        """Note that a stream has something to be told."""
        self._changed[connection] = None
        self._woken.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled."""
        task_status.started()
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            await trio.sleep(SOON)
            now = trio.current_time()
            due = [each for each in self._changed if each.sent_at + EVERY <= now]
            async with trio.open_nursery() as nursery:
                for connection in due:
                    del self._changed[connection]
                    if connection.phase is Phase.OPEN:
                        nursery.start_soon(self._serve, connection)
            if self._changed:
                self._woken.set()

    async def _serve(self, connection: PersonalConnection) -> None:
        try:
            await self._look(connection)
        except Exception:  # it ends this stream and no other
            logger.exception("a personal stream failed")
            connection.close(4002, "the stream failed")

    async def _look(self, connection: PersonalConnection) -> None:
        connection.sent_at = trio.current_time()
        if connection.full:
            self.wake(connection)
            return
        ids = list(connection.changed)[:LINES]
        for id in ids:
            del connection.changed[id]
        try:
            async with self._places:
                listing = await self._parts.directory.store.listing(
                    connection.participant.id, limit=LINES, archived=None, only=frozenset(ids)
                ).wait()
        except StoreError as error:
            self._parts.directory.report(error)
            connection.changed = dict.fromkeys([*ids, *connection.changed])
            self.wake(connection)
            return
        now = self._parts.directory.sources.now()
        for summary in listing.summaries:
            line = conversation_line(summary, now)
            connection.tell({"type": "conversation", "conversation": line})
        found = {summary.conversation_id for summary in listing.summaries}
        for id in ids:
            if id not in found:
                connection.tell({"type": "conversation_gone", "conversation_id": id})
        if connection.changed:
            self.wake(connection)


def personal_event_routes(parts: Parts) -> Blueprint:
    """The route of the stream."""
    routes = Blueprint("personal_events", __name__, url_prefix="/me")

    @routes.get("/events")
    @tag(["conversations"])
    @document_response(PersonalEvents)
    @refusals(Code.DRAINING, Code.FORBIDDEN, Code.ORIGIN_NOT_ALLOWED, Code.TOO_MANY_CONNECTIONS)
    async def my_events() -> Response:
        """Stream what changes in the caller's list of conversations: new ones, unread messages, mentions, titles."""
        asked, response = asked_for(""), event_head()
        if request.method == "HEAD":
            return response
        await parts.prepare(bearer(asked.authorization) or asked.cookie)
        identity = identified(parts, asked)
        if identity.conversations is not None:  # the token is for some, and this is about all
            raise parts.refusal(Code.FORBIDDEN)
        connection = await admit(parts, identity, asked, PersonalConnection)
        await stream_to(parts, connection, response)
        connection.watch(parts.directory.watchers, parts.personal_feed.wake)
        connection.tell({"type": "connected", "participant_id": connection.participant.id})
        attach(parts, connection, None, b"")
        return response

    return routes
