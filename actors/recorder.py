"""The mailbox recorder: what a conversation's last turns took out of its mailbox, and what became of each command.

A turn costs one record, whatever its size: of a large one the last `ENVELOPES` commands are kept. No content is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from .messages import Created, Joined, Left, Receipt
from .refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .mailbox import Letter

TURNS = 32  # remembered of each active conversation: about 20 KB where all are of one command
ENVELOPES = 16  # of one turn: what an operator reads, at under a microsecond each

Verdict = Literal["stored", "repeated", "noted", "refused"]


class Envelope(NamedTuple):
    """One command. `sequence` is 0 where it made no event; `refusal` says why it was refused."""

    command: str
    sender_id: str
    enqueued_at: float
    verdict: Verdict
    sequence: int
    refusal: Refusal | None


class Trace(NamedTuple):
    """One turn. Times are seconds on trio's clock; without a commit `committed_at` is when that was clear."""

    enqueued_at: float  # when its oldest command came
    begun_at: float
    committed_at: float
    delivered_at: float
    envelopes: tuple[Envelope, ...]  # the last of them, in order
    size: int
    first_sequence: int  # 0 where nothing was recorded
    last_sequence: int
    refused: int


def envelopes(
    answers: Sequence[tuple[Letter, Any]], refused: Mapping[Letter, Refusal]
) -> tuple[Envelope, ...]:
    """The last answers of a turn as envelopes; `refused` has the refusals by the names that were given them."""
    return tuple([_envelope(letter, answer, refused) for letter, answer in answers[-ENVELOPES:]])


def _envelope(letter: Letter, answer: Any, refused: Mapping[Letter, Refusal]) -> Envelope:
    message, at = letter.message, letter.enqueued_at
    command, sender_id = type(message).__name__, message.sender.id
    if isinstance(answer, Receipt):
        verdict: Verdict = "repeated" if answer.duplicate else "stored"
        return Envelope(command, sender_id, at, verdict, answer.sequence, None)
    if isinstance(answer, Refusal):
        return Envelope(command, sender_id, at, "refused", 0, refused.get(letter, answer))
    sequence = answer.sequence if isinstance(answer, Created | Joined | Left) else 0
    return Envelope(command, sender_id, at, "stored" if sequence else "noted", sequence, None)
