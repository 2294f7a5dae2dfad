"""One message by its key: the attempts to send it, the answers, and the comparison with the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .anomaly import Anomaly
from .version import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

# After these codes the message may be stored or not; the client has to resend it under the same key
HELD = "held"  # instead of a code: somebody decides later, and may have it stored
UNDECIDED = ("INTERNAL_ERROR", "STORE_UNAVAILABLE", HELD)
SAME = ("message_id", "sequence_id", "timestamp", "event_hash")  # in every receipt of a message


@dataclass(slots=True)
class Attempt:
    """One sending of the message. `code` is the refusal's code, empty without a refusal."""

    line: int
    socket: str | None
    content: str
    code: str = ""
    accepted: bool = False

    @property
    def refused(self) -> bool:
        """Whether this attempt certainly stored nothing."""
        return bool(self.code) and self.code not in UNDECIDED


@dataclass(slots=True)
class SentMessage:
    """One person's message under one key: attempts and the first receipt."""

    conversation: str
    person: str
    key: str
    attempts: list[Attempt] = field(default_factory=list)
    receipt: dict[str, Any] | None = None  # the first
    receipt_line: int = 0
    seen_line: int = 0  # line of the message's first delivery to anybody; 0: none

    def send(self, line: int, socket: str | None, content: str) -> None:
        """Take a sending."""
        self.attempts.append(Attempt(line, socket, content))

    def accept(self, line: int, socket: str | None, receipt: dict[str, Any]) -> Iterator[Anomaly]:
        """Take a receipt; return the anomalies it shows."""
        attempt = self._latest(socket)
        if attempt is not None:
            attempt.accepted = True
        if not self.attempts:
            yield self._anomaly("receipt", f"for {self.key}, which was not sent", line)
        if self.receipt is None:
            self.receipt, self.receipt_line = receipt, line
            return
        for name in SAME:
            if self.receipt.get(name) != receipt.get(name):
                text = f"{self.key} had {name} {self.receipt.get(name)}, now {receipt.get(name)}"
                yield self._anomaly("receipt", text, self.receipt_line, line)
                return

    def refuse(self, socket: str | None, code: str) -> None:
        """Take a refusal."""
        attempt = self._latest(socket)
        if attempt is not None:
            attempt.code = code

    def verdict(
        self, line: int, event: dict[str, Any] | None, open_sockets: set[str]
    ) -> Iterator[Anomaly]:
        """Compare with the log, read on `line`: `event` is the message's event in it, None without one."""
        if event is None:
            if self.receipt is not None and self.attempts:
                text = f"{self.key}, of which the receipt says {self.receipt.get('sequence_id')}"
                yield self._anomaly("lost", text, self.receipt_line, line)
        else:
            yield from self._compare(line, event)
        if self.receipt is None and self.attempts:
            last = self.attempts[-1]
            if not last.code and last.socket in open_sockets:
                text = f"{self.key} has no answer, and its socket is open"
                yield self._anomaly("unanswered", text, last.line)

    def _compare(self, line: int, event: dict[str, Any]) -> Iterator[Anomaly]:
        message, sequence = event.get("message", {}), event["sequence_id"]
        first = min(self.seen_line or line, line)
        before = [attempt for attempt in self.attempts if attempt.line < first]
        if not before:
            text = f"{self.key} is in the log at {sequence} and was not sent before"
            yield self._anomaly("invented", text, first, sequence=sequence)
        elif all(attempt.refused for attempt in before):
            text = f"{self.key} was refused with {before[-1].code} and is in the log at {sequence}"
            yield self._anomaly("refused", text, before[-1].line, first, sequence=sequence)
        elif is_whole(event) and message["content"] not in {each.content for each in before}:
            text = f"{self.key} says something else at {sequence} than was sent"
            yield self._anomaly("invented", text, before[-1].line, first, sequence=sequence)
        if self.receipt is None:
            return
        there = {**message, "sequence_id": sequence}
        for name in SAME:
            if name in there and there[name] != self.receipt.get(name):
                text = f"{self.key}: {name} {self.receipt.get(name)}, in the log {there[name]}"
                yield self._anomaly("receipt", text, self.receipt_line, line, sequence=sequence)
                return

    def _latest(self, socket: str | None) -> Attempt | None:
        """The attempt that an answer is for: on a socket the oldest without an answer, over HTTP the newest.

        Over HTTP a client that sends again has given up the attempts before.
        """
        for attempt in self.attempts if socket is not None else reversed(self.attempts):
            if attempt.socket == socket and not (attempt.code or attempt.accepted):
                return attempt
        return None

    def _anomaly(self, kind: str, text: str, *lines: int, sequence: int | None = None) -> Anomaly:
        if sequence is None and self.receipt is not None:
            sequence = self.receipt.get("sequence_id")
        return Anomaly(kind, text, lines, self.conversation, self.person, None, sequence, self.key)
