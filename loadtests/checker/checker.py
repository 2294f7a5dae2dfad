"""Judges a history: every acknowledged message is stored, and delivered to all readers, once, in one order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .conversation import ObservedConversation
from .everywhere import Everywhere
from .history import Ending, Erased, Subscriber

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .anomaly import Anomaly
    from .history import Record


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on a history. `unread` are the conversations whose log is not in it: their losses are unknown.

    `acknowledged` counts the messages with a receipt, `changes` the changes of messages that were answered with an event.
    """

    anomalies: tuple[Anomaly, ...]
    records: int
    conversations: int
    people: int
    sent: int
    acknowledged: int
    changes: int
    delivered: int
    unread: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The number of anomalies of each kind."""
        return dict(Counter(each.kind for each in self.anomalies))

    @property
    def good(self) -> bool:
        """Whether every conversation has its log and there is no anomaly."""
        return not self.anomalies and not self.unread

    def as_json(self) -> dict[str, Any]:
        """The fields, `good` and `counts` as a JSON object."""
        return {
            "good": self.good,
            "records": self.records,
            "conversations": self.conversations,
            "people": self.people,
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "changes": self.changes,
            "delivered": self.delivered,
            "counts": self.counts,
            "unread": list(self.unread),
            "anomalies": [each.as_json() for each in self.anomalies],
        }


class Checker:
    """Takes the records of a history in their order; `report` judges the records taken so far.

    `runs_ended` says that no run may be open in the logs at the end, `steady` that the server's clock was never set back.
    """

    def __init__(self, *, runs_ended: bool = False, steady: bool = False) -> None:
        self._runs_ended = runs_ended
        self._steady = steady
        self._conversations: dict[str, ObservedConversation] = {}
        self._everywhere = Everywhere()
        self._records = 0

    def take(self, line: int, record: Record) -> None:
        """Take the next record and its line number. Raises `LookupError` or `TypeError` for a bad frame."""
        self._records += 1
        if record.record == "note":
            return
        if isinstance(record, Subscriber | Ending | Erased):
            self._everywhere.take(line, record)
            return
        conversation = self._conversations.get(record.conversation)
        if conversation is None:
            conversation = self._conversations[record.conversation] = ObservedConversation(
                record.conversation, self._everywhere
            )
            conversation.runs_ended = self._runs_ended
            conversation.steady = self._steady
        match record.record:
            case "received":
                conversation.received(line, record)
            case "send":
                conversation.send(line, record.person, record.socket, record.key, record.content)
            case "change":
                conversation.changes.send(line, record.person, record.socket, record.frame)
            case "page":
                conversation.read(line, record)
            case "deleted":
                conversation.reading.gone(line, record.at)
            case "committed":
                conversation.committed(record.sequence, record.at)
            case "connect":
                conversation.connect(line, record)
            case "disconnect":
                conversation.disconnect(line, record.socket or "", record.code)
            case "renewed":
                conversation.access.renewed(record.socket or "", record.token, record.at)
            case "sync":
                conversation.ask(record.socket or "", record.after)
            case "delivery":
                conversation.told(line, record)
            case "log":
                conversation.page(line, record)

    def report(self) -> Report:
        """The verdict, with the anomalies in the order of their last lines."""
        conversations = self._conversations.values()
        anomalies = [each for conversation in conversations for each in conversation.verdict()]
        sent_messages = [
            sent_message
            for conversation in conversations
            for sent_message in conversation.sent_messages.values()
        ]
        return Report(
            tuple(sorted(anomalies, key=lambda each: each.lines[-1:])),
            self._records,
            len(conversations),
            len(set[str]().union(*(conversation.people for conversation in conversations))),
            sum(bool(each.attempts) for each in sent_messages),
            sum(each.receipt is not None for each in sent_messages),
            sum(
                change.answer is not None
                for conversation in conversations
                for change in conversation.changes.sent.values()
            ),
            sum(conversation.delivered for conversation in conversations),
            tuple(
                conversation.conversation
                for conversation in conversations
                if not conversation.log_line and conversation.reading.deleted is None
            ),
        )


def judge(records: Iterable[tuple[int, Record]]) -> Report:
    """Judge a whole history, given as pairs of line number and record. Raises as `Checker.take`."""
    checker = Checker()
    for line, record in records:
        checker.take(line, record)
    return checker.report()
