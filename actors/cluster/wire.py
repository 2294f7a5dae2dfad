"""What nodes tell each other. Each message is about one conversation, or about a person, and can be lost, late or repeated.

So a message says how things are, and seldom what has changed: who missed one has all of it with the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from msgspec import Raw

    from salon.actors.model import Participant
    from salon.actors.signals import Delta, RunRequested, RunStatus
    from salon.actors.store import Record, Rewrite


class Named(NamedTuple):
    """A value of any type of the table in `encoding`, by the name of its type."""

    name: str
    body: Raw


class Ask(NamedTuple):
    """To the owner: a command. Those of one `channel` are carried out in the order of their numbers.

    Everything below `base` has its outcome. A node begins a channel with a higher number whenever the owner is another.
    `again` is true where a former owner may have carried it out. `connection_id` is that of the socket it came from, if any.
    `is_only` is true where that is its sender's only socket there: what is for the others goes nowhere then.
    """

    conversation_id: str
    channel: int
    base: int
    number: int
    command: Named
    connection_id: str
    again: bool
    is_only: bool = False


class Answer(NamedTuple):
    """From the owner: the outcome of a command, which is committed. None: the actor died before it could tell."""

    conversation_id: str
    channel: int
    number: int
    outcome: Named | None


class Watch(NamedTuple):
    """To the owner: a node has sockets of a conversation. It says so until the owner answers, and when something of it changes.

    `people` are those who are connected there, None where the owner has the list of this `version`. With them come those whom
    the sockets are shown as online, `shown`; `online` is the owner's number of that list. `texts` has the length of each open
    run's text.
    """

    conversation_id: str
    version: int
    people: tuple[Participant, ...] | None
    shown: tuple[str, ...]
    online: int
    texts: tuple[tuple[str, int], ...]


class Head(NamedTuple):
    """From the owner: how the conversation is, when something of it changes, or with `is_answer` in answer to a `Watch`.

    `life` names the owner's actor, `number` is that of its last `Batch`. `people` is the version that the owner has of the
    node's people. `online` is the list of this number, None where the node has it. `requests` are what agents there are asked.
    """

    conversation_id: str
    life: str
    number: int
    head: int
    people: int
    online_number: int
    online: tuple[str, ...] | None
    requests: tuple[tuple[str, tuple[RunRequested, ...]], ...]
    texts: tuple[Delta, ...]
    statuses: tuple[RunStatus, ...]
    is_answer: bool


class Batch(NamedTuple):
    """From the owner: events that are committed, in the order of the `number`s, and other forms of earlier ones."""

    conversation_id: str
    life: str
    number: int
    records: tuple[Record, ...]
    rewrites: tuple[Rewrite, ...]
    erased: bool


class Told(NamedTuple):
    """From the owner: a signal for all live readers but those of one participant.

    `number` is that of the last batch before it: who lacks that one may still show people what they may not see any more.
    """

    conversation_id: str
    life: str
    number: int
    signal: Named
    but: str | None


class Pushed(NamedTuple):
    """From the owner: a payload for the sockets of a participant, or with None of all, but for one socket.

    It is about something that is committed, and true in whatever view it comes. `number` as of `Told`.
    """

    conversation_id: str
    life: str
    number: int
    participant_id: str | None
    but: str
    payload: bytes


class Work(NamedTuple):
    """From the owner: what has become of a run, for the node whose hosted agent works on it."""

    conversation_id: str
    signal: Named


class Informed(NamedTuple):
    """To all: a signal for a participant's connections in a conversation."""

    conversation_id: str
    participant_id: str
    signal: Named


class Renamed(NamedTuple):
    """To all: a participant has another name."""

    participant: Participant


class Revoked(NamedTuple):
    """To all: close the connections that were opened with a token which is no longer valid, as `Revoke` says."""

    participant_id: str
    token_id: str | None
    blocked: bool


class Watching(NamedTuple):
    """To all, once a second: somebody at this node watches their list of conversations."""


class Concerned(NamedTuple):
    """To those nodes: something has changed in a conversation of these people."""

    conversation_id: str
    participant_ids: tuple[str, ...]


class Lasting(NamedTuple):
    """To one: a message that is sent again until the receiver has confirmed its number. Those of one type come in order.

    Everything below `base` has been confirmed, or is not kept any more.
    """

    number: int
    base: int
    one: Named


class Heard(NamedTuple):
    """To one: all messages of a type up to a number have come. `lacks` is true where a later one has."""

    kind: str
    through: int
    lacks: bool


class Call(NamedTuple):
    """To one: what operators want done or told there. It is sent again until there is a `Reply` of the same number."""

    number: int
    body: bytes


class Reply(NamedTuple):
    """To one: what came of its call."""

    number: int
    body: bytes


class Hint(NamedTuple):
    """To one: there is a newer view, that of the message's own number."""


class Pulse(NamedTuple):
    """To one, once a second: so many parts were sent to it since the pulse before, in the order of numbers.

    `digest` is the sum of their checksums. Who has got others has missed something.
    """

    number: int
    parts: int
    digest: int


class Again(NamedTuple):
    """To one: say anew to this node, which owns a conversation, who is there. "" stands for all conversations that it owns."""

    conversation_id: str


FromOwner = Batch | Head | Told | Pushed
ToOwner = Ask | Watch
ToAll = Work | Informed | Renamed | Revoked | Watching | Concerned | Lasting | Heard | Hint
Message = Ask | Answer | Watch | FromOwner | ToAll | Pulse | Again | Call | Reply
