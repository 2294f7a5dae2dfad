"""The kinds of anomalies in a history, by name, and the record of one anomaly with its evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

KINDS = {
    "lost": "a message has a receipt and is not in the log",
    "duplicate": "a message is in the log twice, or a reader got an event again without a request for it",
    "gap": "a number of the sequence is missing, in the log or on a socket",
    "disagree": "two readers, or a reader and the log, have different events at one sequence",
    "reordered": "an event came after one that follows it",
    "non-monotonic": "an event that a reader had seen already was taken back, or the log's time goes back",
    "uncommitted": "a reader got an event or receipt that the log does not have, or did not have yet",
    "receipt": "a receipt contradicts the log, another receipt, or what was sent",
    "refused": "a message was refused and is in the log",
    "invented": "the log has a message that its sender did not send",
    "unseen": "a reader is connected, nothing is under way, and the reader was not sent the end of the log",
    "unanswered": "a message has neither receipt nor refusal, and its socket is still open",
    "outsider": "an event was sent to a participant who had left or was removed, or a stranger has read",
    "hidden": "a member read of what was before they came, where that is not for them",
    "rights": "somebody did what they may not: by role or rank, muted, banned, too soon, or by an invite that was over",
    "delta": "the deltas that a reader was sent of a run are not the text of its message, or come after its end",
    "run": "a run of the log has no end, more than one, or one without a start",
    "hops": "an agent has answered more messages of agents in a row than it may",
    "change": "a message was changed twice for one wish, by who may not, or after it was deleted",
    "fold": "a reader that applies the changes has a message otherwise than the log, or the log than its events",
    "erased": "the text of a message was read after its deletion was known, or is in the log; or a deleted conversation was read",
    "access": "somebody was let in, answered or told of an event with a token that had ended, or sent away with one that had not",
    "unwanted": "a subscriber of webhooks was told of what it has not asked for",
    "untold": "a subscriber of webhooks was never told of an event",
    "epoch": "the epoch changed: the log is a different one",
}


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One anomaly. `kind` is a key of `KINDS`; `lines` are the history's lines that show it, the latest last."""

    kind: str
    text: str
    lines: tuple[int, ...]
    conversation: str
    person: str | None = None
    socket: str | None = None
    sequence: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        who = "" if self.person is None else f" {self.person}"
        where = "" if self.socket is None else f" on socket {self.socket}"
        lines = ", ".join(map(str, self.lines))
        return f"{self.kind}: {self.conversation}{who}{where}: {self.text} (line {lines})"

    def as_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {**asdict(self), "lines": list(self.lines)}
