"""One conversation as a history records it: events by reader, messages with their answers, and the log at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salon.web.client import is_event

from .access import ObservedAccess
from .anomaly import Anomaly
from .changes import ObservedChanges, sender_and_key
from .deliveries import ObservedDeliveries
from .members import membership
from .order import span, spans
from .reading import ObservedReading
from .rights_log import faults as faults_of_rights
from .run_log import Following, faults
from .sent_message import HELD, SentMessage
from .socket_log import SocketLog
from .version import agree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .everywhere import Everywhere
    from .history import Connect, Delivery, Log, Page, Received

Event = dict[str, Any]


class ObservedConversation:
    """Takes the records of one conversation in their order. `problems` are the anomalies found so far."""

    def __init__(self, conversation: str, everywhere: Everywhere) -> None:
        self.conversation = conversation
        self.everywhere = everywhere
        self.problems: list[Anomaly] = []
        self.views: dict[str, SocketLog] = {}
        self.sent_messages: dict[tuple[str, str], SentMessage] = {}
        self.people: set[str] = set()
        self.delivered = 0
        self.runs_ended = False  # whether no run may be open in the log
        self.steady = False  # whether the server's clock was never set back
        self.log_line = 0  # line of the log's last page; 0: the log was not read
        self._log_begun = 0  # line of the log's first page
        self.head = 0
        self._first = 0  # sequence after which the log was read
        self._log: dict[int, Event] = {}
        self._seen: dict[
            int, tuple[int, str, Event]
        ] = {}  # sequence -> line, person and event of its first delivery
        self._known: dict[
            str, tuple[int, int]
        ] = {}  # person -> the highest sequence it was told of, and the line
        self._following: dict[str, Following] = {}  # by socket
        self.changes = ObservedChanges(conversation, self._wrong)
        self.reading = ObservedReading(self._wrong)
        self.deliveries = ObservedDeliveries()
        self.access = ObservedAccess(everywhere.access, self._wrong)
        self._at = 0.0  # time of the latest frame
        self._committed: int | None = None
        self._epoch: tuple[int, str] | None = None

    # --- records, in their order ---------------------------------------------------------------

    def connect(self, line: int, record: Connect) -> None:
        """Take the opening of a socket."""
        person, socket = record.person, record.socket or ""
        self.people.add(person)
        names = (self.conversation, person, socket)
        view = self.views[socket] = SocketLog(names, line, record.after, self.problems)
        view.asked_at = record.at
        self.access.connect(socket, person, record.token, record.at)
        view.known = self._known.get(person, view.known)
        self._following[socket] = Following(
            person, lambda at, text: self._wrong("delta", text, at, view=view)
        )

    def disconnect(self, line: int, socket: str, code: int | None) -> None:
        """Take the end of a socket."""
        self.access.closed(line, socket, code)
        if socket in self.views:
            self.views[socket].ended = line

    def ask(self, socket: str, after: int) -> None:
        """Take a `sync`: the reader is not live until it has caught up again."""
        if socket in self.views:
            self.views[socket].ask(after)
            self._following[socket].asked()

    def send(self, line: int, person: str, socket: str | None, key: str, content: str) -> None:
        """Take the sending of a message."""
        self.people.add(person)
        self._sent_message(person, key).send(line, socket, content)

    def committed(self, sequence: int, at: float) -> None:
        """Take a commit: the store has everything up to `sequence`."""
        self._committed = sequence
        self.access.committed(sequence, at)

    def received(self, line: int, record: Received) -> None:
        """Take a received frame. Raises `LookupError`, `TypeError` or `ValueError` if it breaks the contract."""
        frame, person, self._at = record.frame, record.person, record.at
        view = self.views.get(record.socket or "")
        kind = frame.get("type")
        if kind in ("message_ack", "change_ack"):
            self.access.answered(line, person, record.token, record.since)
        if kind == "message_ack":
            self._receipt(line, person, record.socket, frame)
        elif kind in ("error", "message_held"):
            key = frame.get("client_message_id")
            code = str(frame.get("code")) if kind == "error" else HELD
            if key is not None and not self.changes.refused(person, record.socket, key, code):
                self._sent_message(person, key).refuse(record.socket, code)
        elif kind == "change_ack":
            self._changed(line, record)
        elif view is None:
            return
        elif kind == "connected":
            self._connected(line, view, frame)
        elif kind == "caught_up":
            view.caught_up(line, frame["sequence_id"])
            self._following[view.socket].caught_up()
        elif kind == "lagging":
            self._following[view.socket].interrupted()
        elif kind == "delta":
            self._following[view.socket].delta(line, frame)
        elif is_event(frame):
            self._event(line, view, frame)
            self.changes.event(line, record.at, view, frame)
            self.reading.event(line, view, frame)

    def read(self, line: int, page: Page) -> None:
        """Take a page of the log that somebody has read in the midst of the run."""
        self.access.answered(line, page.person, page.token, page.since)
        self._read(line, page.person, page.since, page.events)
        self.reading.page(line, page, self._committed)

    def told(self, line: int, delivery: Delivery) -> None:
        """Take that a subscriber was told of an event."""
        self.delivered += 1
        self._seen_by(line, delivery.subscriber, None, delivery.frame)
        self.deliveries.take(line, delivery)
        self._read(line, delivery.subscriber, delivery.since, [delivery.frame])

    def page(self, line: int, page: Log) -> None:
        """Take a page of the log, at the end."""
        if not self.log_line:
            self._first, self._log_begun = page.after, line
        self.log_line, self.head = line, max(self.head, page.head)
        for event in page.events:
            sequence = event["sequence_id"]
            if not agree(self._log.setdefault(sequence, event), event):
                text = f"sequence {sequence} of the log is not what another page has there"
                self._wrong("disagree", text, line, sequence=sequence)

    def _connected(self, line: int, view: SocketLog, frame: Event) -> None:
        epoch, head = str(frame.get("epoch")), int(frame["head_sequence_id"])
        if self._epoch is None:
            self._epoch = line, epoch
        elif self._epoch[1] != epoch:
            text = f"the log was {self._epoch[1]}, now it is {epoch}"
            self._wrong("epoch", text, self._epoch[0], line, view=view)
            self._epoch = line, epoch
        known, known_line = view.known
        if head < known:
            text = f"the log ends at {head}, and {known} was in it"
            self._wrong("non-monotonic", text, known_line, line, view=view, sequence=head)
        self.access.connected(line, view.socket)
        view.connected(line, frame)
        self.reading.connected(line, view)

    def _event(self, line: int, view: SocketLog, event: Event) -> None:
        sequence = int(event["sequence_id"])
        self.delivered += 1
        view.event(line, sequence)
        self._following[view.socket].event(line, event)
        self._know(view.person, sequence, line)
        self._seen_by(line, view.person, view, event)
        self.access.told(line, view.socket, sequence)
        self._look_for_erased(line, view.asked_at, [event], view)
        if event.get("type") == "message":
            message = event["message"]
            key = message.get("client_message_id")
            if key is not None:
                sent_message = self._sent_message(str(message["sender_id"]), key)
                sent_message.seen_line = sent_message.seen_line or line

    def _read(self, line: int, who: str, since: float, events: list[Event]) -> None:
        self.changes.read(line, who, since, events)
        self._look_for_erased(line, since, events)

    def _look_for_erased(
        self, line: int, since: float, events: list[Event], view: SocketLog | None = None
    ) -> None:
        for text, sequence, told in self.everywhere.erased.read(since, events):
            self._wrong("erased", text, told, line, view=view, sequence=sequence)

    def _seen_by(self, line: int, who: str, view: SocketLog | None, event: Event) -> None:
        sequence = int(event["sequence_id"])
        first = self._seen.setdefault(sequence, (line, who, event))
        if not agree(first[2], event):
            text = f"sequence {sequence} is not what {first[1]} was sent"
            self._wrong("disagree", text, first[0], line, view=view, sequence=sequence)
        self._check_committed(line, view, sequence)

    def _receipt(self, line: int, person: str, socket: str | None, receipt: Event) -> None:
        sequence = int(receipt["sequence_id"])
        self._know(person, sequence, line)
        self._check_committed(line, self.views.get(socket or ""), sequence)
        key = receipt.get("client_message_id")
        if key is not None:
            sent_message = self._sent_message(person, key)
            self.problems += sent_message.accept(line, socket, receipt)
            if sent_message.attempts and socket is None:
                self.reading.answered(line, sent_message.attempts[-1].line)

    def _changed(self, line: int, record: Received) -> None:
        answer, person = record.frame, record.person
        self.people.add(person)
        self.problems += self.changes.answered(line, record.at, person, record.socket, answer)
        if "sequence_id" in answer:
            sequence = int(answer["sequence_id"])
            self._know(person, sequence, line)
            self._check_committed(line, self.views.get(record.socket or ""), sequence)

    def _check_committed(self, line: int, view: SocketLog | None, sequence: int) -> None:
        if self._committed is not None and sequence > self._committed:
            text = f"sequence {sequence}, when the store had {self._committed}"
            self._wrong("uncommitted", text, line, view=view, sequence=sequence)

    def _know(self, person: str, sequence: int, line: int) -> None:
        if sequence > self._known.get(person, (0, 0))[0]:
            self._known[person] = sequence, line
            self.reading.told(self._at, sequence)

    def _sent_message(self, person: str, key: str) -> SentMessage:
        name = (person, key)
        sent_message = self.sent_messages.get(name)
        if sent_message is None:
            sent_message = self.sent_messages[name] = SentMessage(self.conversation, person, key)
        return sent_message

    # --- the verdict ---------------------------------------------------------------------------

    def verdict(self) -> list[Anomaly]:
        """All anomalies; without a log, only those that need none."""
        found = list(self.problems)
        if not self.log_line:
            for view in self.views.values():
                found += view.missing(set())
            return found
        nowhere = set(range(self._first + 1, self.head + 1)) - self._log.keys()
        for first, last in spans(nowhere):
            text = f"{span(first, last)} of {self.head} is not in the log"
            found.append(self._anomaly("gap", text, self.log_line, sequence=first))
        found += self._log_against_itself()
        if not self._first:
            whole = [event for _, event in sorted(self._log.items())]
            found += self._readers_against_log(whole)
            for fault in (
                *faults(whole, ended=self.runs_ended),
                *self.changes.log(whole),
                *faults_of_rights(whole, steady=self.steady, erased=self.everywhere.erased.people),
            ):
                found.append(
                    self._anomaly(fault.kind, fault.text, self.log_line, sequence=fault.sequence)
                )
        found += self._log_against_readers()
        found += self._log_against_promises()
        members, left = membership(self._log)
        for view in self.views.values():
            found += view.missing(nowhere | self.reading.hidden(view))
            if self._stayed(view) and view.person in members:
                found += view.unseen(self.log_line, self.head)
            # Leaving ends the socket: a person that rejoins receives events on another one.
            gone = min((at for at in left.get(view.person, ()) if at > view.head), default=None)
            if gone is not None and view.order.sequence > gone:
                text = f"sequence {view.order.sequence}, having left at {gone}"
                found.append(self._anomaly("outsider", text, view.opened, view=view))
        return found

    def _log_against_itself(self) -> Iterator[Anomaly]:
        keys: dict[tuple[str, str], int] = {}
        latest = ""
        for sequence, event in sorted(self._log.items()):
            message = event.get("message", {})
            at = str(message.get("timestamp") or event.get("timestamp") or "")
            if at < latest:
                text = f"sequence {sequence} is of {at}, what comes before it of {latest}"
                yield self._anomaly("non-monotonic", text, self.log_line, sequence=sequence)
            latest = max(at, latest)
            sender, key = sender_and_key(event)
            if key is None:
                if message and sender in self.people and "run_id" not in message:
                    text = f"sequence {sequence} carries no key"
                    yield self._anomaly("invented", text, self.log_line, sequence=sequence)
                continue
            before = keys.setdefault((sender, key), sequence)
            if before != sequence:
                text = f"{key} of {sender} is in the log twice, at {before} and {sequence}"
                yield self._anomaly("duplicate", text, self.log_line, sequence=sequence)

    def _log_against_readers(self) -> Iterator[Anomaly]:
        told = {each.sequence for each in self.problems if each.kind == "disagree"}
        for sequence, (line, person, event) in self._seen.items():
            if sequence <= self._first:
                continue
            there = self._log.get(sequence)
            if there is None:
                text = f"{person} was sent sequence {sequence}, which the log does not have"
                yield self._anomaly("uncommitted", text, line, self.log_line, sequence=sequence)
            elif not agree(there, event) and sequence not in told:
                text = f"{person} was sent another sequence {sequence} than the log has"
                yield self._anomaly("disagree", text, line, self.log_line, sequence=sequence)

    def _readers_against_log(self, whole: list[Event]) -> Iterator[Anomaly]:
        but = {each.sequence for each in self.problems if each.kind == "disagree"}
        for view, text in self.changes.folded(whole, self.views, but):
            yield self._anomaly("fold", text, view.opened, self.log_line, view=view)
        for kind, text, lines, of in self.reading.verdict(whole, self.views):
            yield self._anomaly(kind, text, *lines, view=of)
        for kind, text, lines, sequence in self.deliveries.verdict(
            self.conversation, whole, self.everywhere.subscribers, self.log_line
        ):
            yield self._anomaly(kind, text, *lines, sequence=sequence)
        for text, sequence, told in self.everywhere.erased.in_log(whole):
            yield self._anomaly("erased", text, told, self.log_line, sequence=sequence)

    def _log_against_promises(self) -> Iterator[Anomaly]:
        there: dict[tuple[str, str], Event] = {}
        said: dict[tuple[str, str], Event] = {}
        for _, event in sorted(self._log.items()):
            sender, key = sender_and_key(event)
            if key is not None:
                there.setdefault((sender, key), event)
                if event["type"] == "message":
                    said.setdefault((sender, key), self.changes.original(event))
        for name in said:
            if name[0] in self.people:
                self._sent_message(*name)
        open_sockets = {socket for socket, view in self.views.items() if self._stayed(view)}
        for name, sent_message in self.sent_messages.items():
            if name[0] in self.people:
                yield from sent_message.verdict(self.log_line, said.get(name), open_sockets)
        yield from self.changes.verdict(self.log_line, there, open_sockets)

    def _stayed(self, view: SocketLog) -> bool:
        """Whether a socket was still open when the log was read."""
        return not view.ended or view.ended > self._log_begun

    def _anomaly(
        self,
        kind: str,
        text: str,
        *lines: int,
        sequence: int | None = None,
        view: SocketLog | None = None,
    ) -> Anomaly:
        person, socket = (view.person, view.socket) if view is not None else (None, None)
        return Anomaly(kind, text, lines, self.conversation, person, socket, sequence)

    def _wrong(
        self,
        kind: str,
        text: str,
        *lines: int,
        sequence: int | None = None,
        view: SocketLog | None = None,
    ) -> None:
        self.problems.append(self._anomaly(kind, text, *lines, sequence=sequence, view=view))
