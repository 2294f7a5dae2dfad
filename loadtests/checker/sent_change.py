"""One change of a message by its key: the attempts to ask for it, the answers, and the comparison with the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .anomaly import Anomaly
from .sent_message import UNDECIDED

if TYPE_CHECKING:
    from collections.abc import Iterator

# Refusals that a retry of what was done must not get.
FORGETFUL = (
    "MESSAGE_DELETED",
    "REVISION_CONFLICT",
    "KEY_REUSED",
    "TOO_MANY_REACTIONS",
    "TOO_MANY_PINNED",
)
SAME = (
    "message_id",
    "sequence_id",
    "timestamp",
    "event_hash",
)  # in every answer that names an event


@dataclass(slots=True)
class Attempt:
    """One asking for the change. `code` is the refusal's code, empty without a refusal."""

    line: int
    socket: str | None
    frame: dict[str, Any]
    code: str = ""
    accepted: bool = False
    sequence: int | None = None  # that the answer names


@dataclass(slots=True)
class SentChange:
    """One person's change under one key: attempts, and the first answer that names an event."""

    conversation: str
    person: str
    key: str
    attempts: list[Attempt] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    answer_line: int = 0
    seen_line: int = 0  # line of the event's first delivery to anybody; 0: none

    def send(self, line: int, socket: str | None, frame: dict[str, Any]) -> None:
        """Take an asking."""
        self.attempts.append(Attempt(line, socket, frame))

    def accept(self, line: int, socket: str | None, answer: dict[str, Any]) -> Iterator[Anomaly]:
        """Take an answer; return the anomalies it shows."""
        attempt = self._latest(socket)
        if attempt is None:
            yield self._anomaly("receipt", f"for {self.key}, which was not asked for", line)
            return
        attempt.accepted, attempt.sequence = True, answer.get("sequence_id")
        if answer.get("message_id") != attempt.frame["message_id"]:
            text = f"{self.key} is of {attempt.frame['message_id']}, the answer of {answer.get('message_id')}"
            yield self._anomaly("receipt", text, attempt.line, line)
        if "sequence_id" not in answer:
            return  # it was so already
        if self.answer is None:
            self.answer, self.answer_line = answer, line
            return
        for name in SAME:
            if self.answer.get(name) != answer.get(name):
                text = f"{self.key} had {name} {self.answer.get(name)}, now {answer.get(name)}"
                yield self._anomaly("receipt", text, self.answer_line, line)
                return

    def refuse(self, socket: str | None, code: str) -> None:
        """Take a refusal."""
        attempt = self._latest(socket)
        if attempt is not None:
            attempt.code = code

    def verdict(
        self, line: int, event: dict[str, Any] | None, open_sockets: set[str]
    ) -> Iterator[Anomaly]:
        """Compare with the log, read on `line`: `event` is the event in it that has the key, None without one."""
        if event is None:
            if self.answer is not None:
                text = f"{self.key}, of which the answer says {self.answer['sequence_id']}"
                yield self._anomaly("lost", text, self.answer_line, line)
        else:
            yield from self._compare(line, event)
        if self.attempts:
            last = self.attempts[-1]
            if not (last.code or last.accepted) and last.socket in open_sockets:
                text = f"{self.key} has no answer, and its socket is open"
                yield self._anomaly("unanswered", text, last.line)

    def _compare(self, line: int, event: dict[str, Any]) -> Iterator[Anomaly]:
        sequence = event["sequence_id"]
        if self.answer is None and all(
            each.code and each.code not in UNDECIDED for each in self.attempts
        ):
            text = f"{self.key} was refused and is in the log at {sequence}"
            yield self._anomaly("refused", text, line, sequence=sequence)
        fitting = [each for each in self.attempts if _asks_for(each.frame, event)]
        if not fitting:
            text = f"{self.key} is in the log at {sequence}, and was not asked for so"
            yield self._anomaly("invented", text, line, sequence=sequence)
        for each in fitting:
            known = min(self.answer_line or line, self.seen_line or line)
            forgotten = each.accepted and each.sequence is None
            if each.line > known and (forgotten or each.code in FORGETFUL):
                text = f"{self.key} is in the log at {sequence}, its retry is answered as if it were new"
                yield self._anomaly("receipt", text, known, each.line, sequence=sequence)
                break
        if event["type"] == "message_edited":
            bases = {each.frame.get("revision") for each in fitting}
            if fitting and not bases & {None, event["revision"] - 1}:
                text = f"{self.key} was to change another revision than {event['revision'] - 1}"
                yield self._anomaly("change", text, line, sequence=sequence)
        if self.answer is None:
            return
        there = {name: event.get(name) for name in ("message_id", "sequence_id", "timestamp")}
        for name, value in there.items():
            if value != self.answer.get(name):
                text = f"{self.key}: {name} {self.answer.get(name)}, in the log {value}"
                yield self._anomaly("receipt", text, self.answer_line, line, sequence=sequence)
                return

    def _latest(self, socket: str | None) -> Attempt | None:
        """The attempt that an answer is for, as of a message: on a socket the oldest open one, over HTTP the newest."""
        for attempt in self.attempts if socket is not None else reversed(self.attempts):
            if attempt.socket == socket and not (attempt.code or attempt.accepted):
                return attempt
        return None

    def _anomaly(self, kind: str, text: str, *lines: int, sequence: int | None = None) -> Anomaly:
        if sequence is None and self.answer is not None:
            sequence = self.answer.get("sequence_id")
        return Anomaly(kind, text, lines, self.conversation, self.person, None, sequence, self.key)


def _asks_for(frame: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether an event is what a frame asks for. Of an edit whose message was deleted since, the content is not known."""
    if (frame["type"], frame["message_id"]) != (event["type"], event["message_id"]):
        return False
    if frame.get("emoji") != event.get("emoji"):
        return False
    return "content" not in event or frame.get("content") == event["content"]
