"""A message as it is sent. A named tuple: as frozen as the other kinds of event, and three times cheaper to make."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .fields import SEQUENCE_ID, Field, Form

if TYPE_CHECKING:
    from .model import MessageStatus, Participant, State


class _Posted(NamedTuple):
    conversation_id: str
    sequence: int
    at: int
    sender: Participant
    content: str
    key: str | None = None
    reply_to: str | None = None
    metadata: str | None = None
    mentions: tuple[str, ...] = ()  # ids of the mentioned members
    run_id: str | None = None
    status: MessageStatus | None = None  # of a run's message only
    usage: str | None = None  # JSON text: what the run has used
    results: str | None = None  # JSON text: what the answer points to
    thread_id: str | None = None  # the message under which it is a reply
    in_channel: bool = False  # of such a reply: it is shown in the main log, too
    files: str | None = None  # JSON text: what the message carries


class Posted(_Posted):
    """A message, sent to every member, including the sender. An agent's may be the end of a run."""

    __slots__ = ()
    kind: ClassVar[str] = "message"
    frame: ClassVar[tuple[Field, ...]] = (SEQUENCE_ID, Field("message", Form.MESSAGE))

    @property
    def message_id(self) -> str:
        """The message's id, unique without a random part: the conversation's id is unique, and so is the sequence in it."""
        return f"{self.conversation_id}-{self.sequence}"

    def apply(self, state: State) -> None:
        """Count the message, if the main log shows it; if it is the end of a run, the run is over."""
        if self.thread_id is None or self.in_channel:
            state.messages += 1
        state.hops = 0 if self.sender.type == "human" else state.hops + 1
        if state.slow_mode:
            state.spoke = {**state.spoke, self.sender.id: self.at}
        if self.run_id is not None:
            close_run(state, self.run_id)


def close_run(state: State, run_id: str) -> None:
    """Take a run that has ended out of a draft."""
    state.runs = {id: run for id, run in state.runs.items() if id != run_id}


def sequence_of(message_id: str) -> int:
    """The sequence of a message's event, of an id that is known to be right."""
    return int(message_id.rpartition("-")[2])
