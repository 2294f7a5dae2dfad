"""Messages that are held for somebody to decide, as the store keeps them and as their senders are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from .model import Participant

HeldKind = Literal["message", "edit"]
# How it ended: posted, dropped, or refused by its conversation when it was to be posted.
HeldOutcome = Literal["approved", "denied", "refused"]


class HeldMessage(NamedTuple):
    """A message or an edit that waits for somebody to decide. `position` orders them, 0 before it is stored.

    `details` is JSON text with the rest of the command. Once it is decided, `content` and `details` are empty.
    While `closed_at` is None, an `outcome` says that it is being posted, and `closed_by` is the claim of who does it.
    """

    position: int
    number: int  # of the conversation in the store
    conversation_id: str
    sender: Participant
    kind: HeldKind
    content: str
    details: str
    key: str | None
    reason: str | None  # why it is held
    at: int
    closed_at: int | None = None
    closed_by: str | None = None
    outcome: HeldOutcome | None = None
    why: str | None = None  # what the decider, or the conversation, says


class HeldPage(NamedTuple):
    """Held messages, the newest first. `before` asks for the next page; None where this is the last."""

    messages: tuple[HeldMessage, ...]
    before: int | None


class Held(NamedTuple):
    """The outcome of a message that is held: it is stored, nobody sees it yet."""

    conversation_id: str
    held_id: int
    at: int
    key: str | None
