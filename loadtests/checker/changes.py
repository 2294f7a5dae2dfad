"""The changes of messages in one conversation: who asked for them, and what each reader makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .change_log import faults
from .fold import CHANGES, Fold
from .sent_change import SentChange
from .version import has_text, is_whole, same

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from .anomaly import Anomaly
    from .run_log import Fault
    from .socket_log import SocketLog

Event = dict[str, Any]


class ObservedChanges:
    """Takes what concerns changes. `wrong` is called with the kind of an anomaly, its text, lines and sequence."""

    def __init__(self, conversation: str, wrong: Callable[..., None]) -> None:
        self._conversation = conversation
        self._wrong = wrong
        self.sent: dict[tuple[str, str], SentChange] = {}
        self._folds: dict[str, Fold] = {}  # by socket
        self._whole: dict[
            int, Event
        ] = {}  # messages as they were sent, where anybody was sent them so
        # message id -> line and time at which somebody knew that it was deleted
        self._erased: dict[str, tuple[int, float]] = {}

    # --- records, in their order ---------------------------------------------------------------

    def send(self, line: int, person: str, socket: str | None, frame: Event) -> None:
        """Take that somebody asks for a change."""
        self._change(person, frame["client_message_id"]).send(line, socket, frame)

    def answered(
        self, line: int, at: float, person: str, socket: str | None, answer: Event
    ) -> Iterator[Anomaly]:
        """Take the answer to a change; return the anomalies it shows."""
        key = answer.get("client_message_id")
        if key is None:
            return
        change = self._change(person, key)
        yield from change.accept(line, socket, answer)
        if change.attempts and change.attempts[-1].frame["type"] == "message_deleted":
            self._erased.setdefault(answer["message_id"], (line, at))

    def refused(self, person: str, socket: str | None, key: str, code: str) -> bool:
        """Take a refusal; whether its key is a change's."""
        change = self.sent.get((person, key))
        if change is not None:
            change.refuse(socket, code)
        return change is not None

    def event(self, line: int, at: float, view: SocketLog, event: Event) -> None:
        """Take an event that a reader was sent."""
        self._folds.setdefault(view.socket, Fold()).take(event)
        by, key = sender_and_key(event)
        change = None if key is None else self.sent.get((by, key))
        if change is not None and event["type"] in CHANGES:
            change.seen_line = change.seen_line or line
        if is_whole(event) and event["type"] == "message":
            self._whole.setdefault(event["sequence_id"], event)
        told = self._erased.get(_about(event))
        if told is not None and told[0] < view.opened and has_text(event):
            text = f"{_about(event)}, which was deleted before this socket was asked for"
            self._wrong("erased", text, told[0], line, view=view, sequence=event["sequence_id"])
        if event["type"] == "message_deleted":
            self._erased.setdefault(event["message_id"], (line, at))

    def read(self, line: int, who: str, since: float, events: Iterable[Event]) -> None:
        """Take events that somebody has read in the midst of the run, at `since` or later."""
        for event in events:
            told = self._erased.get(_about(event))
            if told is not None and told[1] < since and has_text(event):
                text = f"{who} reads {_about(event)}, which was deleted before"
                self._wrong("erased", text, told[0], line, sequence=event["sequence_id"])

    # --- the verdict ---------------------------------------------------------------------------

    def original(self, event: Event) -> Event:
        """A message of the log as it was sent, if that is known; else as the log has it."""
        return event if is_whole(event) else self._whole.get(event["sequence_id"], event)

    def log(self, events: list[Event]) -> Iterator[Fault]:
        """What is wrong with the changes of the whole log."""
        return faults(events)

    def folded(
        self, events: list[Event], views: Mapping[str, SocketLog], but: Container[int | None]
    ) -> Iterator[tuple[SocketLog, str]]:
        """For each reader that comes to something else than the log, going on with what it has not got: what.

        `but` are the sequences of which readers were sent something else than the log has.
        """
        final = Fold(events).messages
        for socket, fold in self._folds.items():
            view = views[socket]
            if view.order.missing:
                continue
            now = fold.copy()
            for event in events[view.order.sequence :]:
                now.take(event)
            for message_id, message in now.messages.items():
                there = final.get(message_id)
                if there and not same(message, there) and there["sequence_id"] not in but:
                    yield view, f"{message_id} is folded to {_difference(message, there)}"
                    break

    def verdict(
        self, line: int, there: Mapping[tuple[str, str], Event], open_sockets: set[str]
    ) -> Iterator[Anomaly]:
        """Compare what was asked for with the log: `there` are its events by sender and key."""
        for name, change in self.sent.items():
            event = there.get(name)
            of_change = event is not None and event["type"] in CHANGES
            yield from change.verdict(line, event if of_change else None, open_sockets)

    def _change(self, person: str, key: str) -> SentChange:
        name = person, key
        if name not in self.sent:
            self.sent[name] = SentChange(self._conversation, person, key)
        return self.sent[name]


def sender_and_key(event: Event) -> tuple[str, str | None]:
    """Who sent a message or made a change, and the key that it has. The sender is empty for other events."""
    if event["type"] == "message":
        message = event["message"]
        return message["sender_id"], message.get("client_message_id")
    if event["type"] in CHANGES:
        return event["by"], event.get("client_message_id")
    return "", None


def _about(event: Event) -> str:
    """The id of the message that an event is, or edits."""
    if event["type"] == "message":
        return str(event["message"]["message_id"])
    return str(event["message_id"]) if event["type"] == "message_edited" else ""


def _difference(one: Event, other: Event) -> str:
    names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    found = [f"{name} {one.get(name)!r}, in the log {other.get(name)!r}" for name in names]
    return "; ".join(found)
