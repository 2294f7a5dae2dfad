"""The mailbox recorder: the commands of a conversation's last turns, and the outcome of each command.

No content is kept. Text of runs is left out unless it is refused or comes with other commands: nothing else would stay. A turn
costs about a microsecond, and 0.3 more for each command of it that is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from .change_messages import Changed
from .events import Event
from .messages import Receipt
from .refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .mailbox import Letter
    from .store import Record

TURNS = 32  # turns remembered of each active conversation, and
ENVELOPES = 32  # commands: together about 15 KB, however large its turns are

Verdict = Literal["stored", "repeated", "noted", "refused"]


class Trace(NamedTuple):
    """One turn. Times are seconds on trio's clock; without a commit `committed_at` is when it was clear that none was needed."""

    enqueued_at: float  # arrival of its oldest command
    begun_at: float
    committed_at: float
    delivered_at: float
    size: int
    first_sequence: int  # 0 where nothing was recorded
    last_sequence: int
    refused: int


class Envelope(NamedTuple):
    """One command. `sequence` is 0 where it made no event; `refusal` says why it was refused."""

    trace: Trace
    command: str
    sender_id: str
    enqueued_at: float
    verdict: Verdict
    sequence: int
    refusal: Refusal | None


class Recorder:
    """The last turns and the last commands of one conversation, newest last."""

    __slots__ = ("envelopes", "traces")

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.envelopes: list[Envelope] = []

    def note(
        self,
        answers: Sequence[tuple[Letter, Any]],
        refused: Mapping[Letter, Refusal],
        times: tuple[float, float, float],
        records: Sequence[Record] = (),
    ) -> None:
        """Remember a turn: when it began, had its commit and had delivered; `refused` has the refusals under their names."""
        first, last = (records[0].sequence, records[-1].sequence) if records else (0, 0)
        begun, committed, delivered = times
        enqueued, size = answers[0][0].enqueued_at, len(answers)
        trace = Trace(enqueued, begun, committed, delivered, size, first, last, len(refused))
        self.traces.append(trace)
        if len(self.traces) > TURNS:
            del self.traces[0]
        kept = answers[-ENVELOPES:]
        self.envelopes += [_envelope(trace, letter, answer, refused) for letter, answer in kept]
        if len(self.envelopes) > ENVELOPES:
            del self.envelopes[:-ENVELOPES]


def _envelope(
    trace: Trace, letter: Letter, answer: Any, refused: Mapping[Letter, Refusal]
) -> Envelope:
    message, at = letter.message, letter.enqueued_at
    command, sender_id = type(message).__name__, message.sender.id
    if isinstance(answer, Receipt | Changed) and answer.sequence:
        verdict: Verdict = "repeated" if answer.duplicate else "stored"
        return Envelope(trace, command, sender_id, at, verdict, answer.sequence, None)
    if isinstance(answer, Refusal):
        return Envelope(trace, command, sender_id, at, "refused", 0, refused.get(letter, answer))
    sequence = answer.sequence if isinstance(answer, Event) else 0
    return Envelope(
        trace, command, sender_id, at, "stored" if sequence else "noted", sequence, None
    )
