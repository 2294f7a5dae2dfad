"""Deliberate bugs in webhooks, streams over HTTP, tokens, erasures, holds and retention."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from salon.actors.change_turn import ChangeTurn
from salon.actors.participant import ParticipantActor
from salon.actors.people import Traces
from salon.actors.watchers import Watchers
from salon.persistence.memory_people import MemoryPeople
from salon.web.identity.access import Access
from salon.web.privacy import retention
from salon.web.privacy.erasures import Erasures
from salon.web.privacy.holds import LegalHolds
from salon.web.privacy.retention import Retention
from salon.web.socket import event_connection
from salon.web.socket.codec import auth_ack
from salon.web.socket.connection import Connection
from salon.web.socket.endings import Endings
from salon.web.socket.websocket import text_header
from salon.web.webhooks import subscription
from salon.web.webhooks.cursor import Cursor
from salon.web.webhooks.subscription import Subscription
from salon.web.webhooks.wanted import WebhookWanted

if TYPE_CHECKING:
    from salon.actors.future import Future

Change = tuple[Any, str, Callable[[Any], Any]]


async def _nothing(*_: Any) -> None:
    """What is left out."""


# --- webhooks and streams -------------------------------------------------------------------------


def webhooks_forget_what_was_refused() -> Change:
    """A restart goes on after the cursor, and knows no conversation that lags behind it."""

    def change(real: Any) -> Any:
        async def load(self: Any) -> None:
            await real(self)
            self._lanes = {}

        return load

    return Subscription, "_load", change


def cursor_ahead_of_what_was_delivered() -> Change:
    """A kill loses what was read and is under way."""
    return Cursor, "place", lambda real: property(lambda self: self.scanned)


def tell_the_next_when_one_is_refused() -> Change:
    """A subscriber that refuses an event is told of the one after it."""

    def change(real: Any) -> Any:
        async def next_owed(store: Any, wanted: Any, lane: Any, settle: Any) -> Any:
            record = await real(store, wanted, lane, settle)
            if record is None or not lane.attempts:
                return record
            later = [
                each
                for each in await store.owed(lane.number, record.sequence, 8).wait()
                if each.sequence <= lane.wanted
            ]
            return later[0] if later else record

        return next_owed

    return subscription, "next_owed", change


def tell_what_nobody_has_asked_for() -> Change:
    return WebhookWanted, "wants", lambda real: lambda self, kind, conversation_id: True


def streams_are_one_event_further() -> Change:
    """The id of each event is that of the next one: who comes back with it lacks one."""

    def change(real: Any) -> Any:
        def further(found: re.Match[bytes]) -> bytes:
            return b"id: %d" % (int(found[1]) + 1)

        return lambda payload: re.sub(rb"^id: (\d+)$", further, real(payload), flags=re.MULTILINE)

    return event_connection, "as_events", change


def lists_miss_what_changes() -> Change:
    """Who follows their list over HTTP is not told of new messages."""
    return Watchers, "tell", lambda real: lambda self, conversation_id, ids: None


# --- tokens ---------------------------------------------------------------------------------------


def revoked_sockets_stay_open() -> Change:
    return ParticipantActor, "_revoke", lambda real: lambda self, revoke: None


def revocations_end_at_a_restart() -> Change:
    return Access, "load", lambda real: _nothing


def expired_sockets_stay_open() -> Change:
    return Endings, "check", lambda real: lambda self, connection: None


def renewed_sockets_end_all_the_same() -> Change:
    """A renewal is acknowledged, and the first token counts on."""

    def change(real: Any) -> Any:
        def renewed(self: Any, token_id: str | None, expires_at: int | None) -> None:
            body = auth_ack(expires_at)
            self.push(text_header(len(body)) + body)

        return renewed

    return Connection, "renewed", change


# --- erasures -------------------------------------------------------------------------------------


def erasures_are_done_at_once() -> Change:
    """What somebody has said is not looked for."""

    def change(real: Any) -> Any:
        async def erase(self: Any, erasure: Any, done: Any) -> Any:
            return erasure, False, done

        return erase

    return Erasures, "_erase_traces", change


def what_is_under_way_outlives_an_erasure() -> Change:
    """What comes between the look for what somebody has said and their leaving is not looked for."""

    def change(real: Any) -> Any:
        async def erase(self: Any, erasure: Any, done: Any) -> Any:
            return (erasure, False, done) if done else await real(self, erasure, done)

        return erase

    return Erasures, "_erase_traces", change


def a_kill_ends_an_erasure() -> Change:
    """A restart takes for done what was asked for."""

    def change(real: Any) -> Any:
        async def load(self: Any) -> None:
            await real(self)
            self._all = {id: each._replace(done_at=1) for id, each in self._all.items()}

        return load

    return Erasures, "load", change


def erased_names_stay() -> Change:
    """Only what somebody has said is found, not where they are named."""

    def change(real: Any) -> Any:
        def traces(self: Any, participant_id: str, *, after: int) -> Future[Traces]:
            found: Future[Traces] = real(self, participant_id, after=after)
            logs = {each.state.id: each.records for each in self._conversations}
            traces = found.get()
            said = [e for e in traces.found if logs[e[0]][e[1] - 1].sender_id is not None]
            return found.of(Traces(tuple(said), traces.through))

        return traces

    return MemoryPeople, "traces", change


def erased_replies_stay() -> Change:
    """What somebody has said in threads is shown, replayed and found on."""

    def change(real: Any) -> Any:
        def erase(self: Any, message: Any, who: Any) -> None:
            if message.posted.thread_id is None:
                real(self, message, who)

        return erase

    return ChangeTurn, "_erase_message", change


# --- holds and retention --------------------------------------------------------------------------


def conversations_are_not_held() -> Change:
    """Only people are."""

    def change(real: Any) -> Any:
        def cover(self: Any, conversation_id: str, participant_id: str | None = None) -> bool:
            return participant_id is not None and self.cover_person(participant_id)

        return cover

    return LegalHolds, "cover", change


def holds_end_at_a_restart() -> Change:
    return LegalHolds, "load", lambda real: _nothing


def retention_takes_what_is_young() -> Change:
    return retention, "DAY", lambda real: real // 2


def conversations_have_no_days_of_their_own() -> Change:
    return Retention, "sweep_conversations", lambda real: _nothing
