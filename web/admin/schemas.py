"""The shapes of health and administration. Times are ISO 8601 or seconds ago; what is not known is null."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal

from pydantic import BaseModel, Field

from ..api import ID_LENGTH, ListQuery, MemberModel, ParticipantView, Title
from .audit import Action
from .figures import SAMPLES
from .inspection import (
    ActorRow,
    ActorState,
    ConnectionRow,
    ConnectionState,
    ConversationRow,
    Depths,
)

Watched = Literal["actors", "conversations", "connections", "conversation", "participant"]

SHOWN = 100  # items shown of a long list inside an answer; its length is given beside it


def columns(row: type[Any]) -> str:
    """The pattern of the `sort` parameter for a list of these rows."""
    return f"^-?({'|'.join(each.name for each in fields(row))})$"


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"]
    version: str


class Storage(BaseModel):
    """The store. `waiting` counts what is not committed yet; `error` lasts for a minute after the last one."""

    status: Literal["connected", "error"]
    durability: Literal["committed", "memory"]
    commits: int
    records: int
    waiting: int


class ChatHealth(BaseModel):
    """The chat in figures."""

    status: Literal["healthy", "degraded", "draining"]
    timestamp: str
    connections: int
    conversations: int
    participants: int
    queue_depths: Depths
    storage: Storage


class Quantiles(BaseModel):
    """The median, the 99th percentile and the largest."""

    p50: float
    p99: float
    max: float


class RecentCommits(BaseModel):
    """The commits that the store remembers."""

    commits: int
    seconds: Quantiles
    records: Quantiles


class StorageFigures(Storage):
    """The store, with its recent commits."""

    recent: RecentCommits


class Stats(BaseModel):
    """The process since its start. `events` are messages, joins and leaves; `deliveries` are events times who took them;
    `turn_seconds` are of the last turns, from a command's coming to all answers and deliveries; `listeners` follow /admin/events.
    """

    timestamp: str
    status: Literal["healthy", "degraded", "draining"]
    uptime: float
    memory_bytes: int | None
    cpu_seconds: float
    connections: int
    conversations: int
    participants: int
    messages: int
    events: int
    batches: int
    deliveries: int
    turns: int
    queue_depths: Depths
    storage: StorageFigures
    refusals: dict[str, int]
    activations: int
    passivations: int
    restarts: int
    crashes: int
    store_errors: int
    turn_seconds: Quantiles
    listeners: int


class RowQuery(ListQuery):
    """Which rows; `key` is a part of the id, or of the title or name, in whichever case."""

    key: str | None = Field(default=None, max_length=ID_LENGTH)
    sort: str | None = None


class ActorQuery(RowQuery):
    """Which actors."""

    kind: Literal["conversation", "participant"] | None = None
    state: ActorState | None = None
    sort: str | None = Field(default=None, pattern=columns(ActorRow))


class ConversationQuery(RowQuery):
    """Which active conversations."""

    state: ActorState | None = None
    sort: str | None = Field(default=None, pattern=columns(ConversationRow))


class ConnectionQuery(RowQuery):
    """Which connections."""

    state: ConnectionState | None = None
    conversation_id: str | None = None
    participant_id: str | None = None
    sort: str | None = Field(default=None, pattern=columns(ConnectionRow))


class FeedQuery(RowQuery):
    """What to follow besides the figures: a list, with that list's own parameters, or one thing by its `id`."""

    watch: Watched | None = None
    id: str | None = Field(default=None, max_length=ID_LENGTH)
    kind: Literal["conversation", "participant"] | None = None
    state: ActorState | ConnectionState | None = None
    conversation_id: str | None = None
    participant_id: str | None = None
    inside: str | None = Field(
        default=None,
        max_length=ID_LENGTH,
        description="In a list of actors or conversations: whose connections are followed too.",
    )
    history: int = Field(
        default=0, ge=0, le=SAMPLES, description="Samples of the past to begin with."
    )
    every: int = Field(default=1, ge=1, le=60, description="Seconds between two looks.")


class SearchQuery(BaseModel):
    """What to look for: a part of an id, a title or a name; a whole id where it is in memory no more."""

    q: str = Field(min_length=1, max_length=ID_LENGTH)


class Hit(BaseModel):
    """Something found."""

    kind: Literal["conversation", "participant", "connection", "refusal"]
    id: str
    label: str
    active: bool


class Hits(BaseModel):
    """What was found, the nearest first."""

    hits: list[Hit]


class DeedModel(BaseModel):
    """Something that an operator did."""

    number: int
    at: str
    operator_id: str
    action: Action
    target: str
    outcome: str


class Audit(BaseModel):
    """What operators did last, oldest first."""

    deeds: list[DeedModel]


class Actors(BaseModel):
    """Live actors; `total` is of all pages."""

    actors: list[ActorRow]
    total: int
    limit: int
    offset: int


class Conversations(BaseModel):
    """Active conversations; `total` is of all pages."""

    conversations: list[ConversationRow]
    total: int
    limit: int
    offset: int


class Connections(BaseModel):
    """Open connections; `total` is of all pages."""

    connections: list[ConnectionRow]
    total: int
    limit: int
    offset: int


class SenderModel(BaseModel):
    """Whose commands wait."""

    participant_id: str
    commands: int


class MailboxModel(BaseModel):
    """Commands that wait: of `limit`, and of `share` from one participant; `drain_rate` a second, while there was work.

    `senders` are those with the most of them.
    """

    depth: int
    limit: int
    share: int
    drain_rate: float
    senders: list[SenderModel]


class ActorModel(BaseModel):
    """The actor behind it."""

    state: ActorState
    mailbox: MailboxModel
    turns: int
    restarts: int
    age: float
    idle: float
    started_at: str
    last_turn_at: str


class TurnTimes(BaseModel):
    """Seconds, over the last turns."""

    waited: Quantiles
    committing: Quantiles
    delivering: Quantiles


class EnvelopeModel(BaseModel):
    """One command of a turn. `sequence_id` is null where it made no event; the refusal's id can be looked up."""

    command: str
    sender_id: str
    enqueued_at: str
    verdict: Literal["stored", "repeated", "noted", "refused"]
    sequence_id: int | None
    refusal_id: str | None
    code: str | None


class TraceModel(BaseModel):
    """One turn. Its oldest command `waited` seconds; sequences are 0 where nothing was recorded. `envelopes` are
    those of the last 32 commands that were its; `size` counts all."""

    turn: str

    enqueued_at: str
    begun_at: str
    committed_at: str
    delivered_at: str
    waited: float
    committing: float
    delivering: float
    envelopes: list[EnvelopeModel]
    size: int
    first_sequence_id: int
    last_sequence_id: int
    refused: int


class RefusalLine(BaseModel):
    """A refusal in short."""

    id: str
    code: str
    at: str
    participant_id: str | None


class ConversationDossier(BaseModel):
    """All about one conversation; while it is not active there is no actor and nothing to measure."""

    id: str
    active: bool
    title: Title
    status: Literal["active", "inactive"]
    head_sequence_id: int
    message_count: int
    created_at: str
    updated_at: str
    ended_at: str | None
    participants: list[MemberModel] = Field(max_length=SHOWN)
    participant_count: int
    connections: list[ConnectionRow] = Field(max_length=SHOWN)
    connection_count: int
    behind_count: int
    actor: ActorModel | None
    turn_times: TurnTimes | None
    batch_sizes: Quantiles | None
    traces: list[TraceModel]
    refusals: list[RefusalLine]


class ParticipantDossier(BaseModel):
    """All about one participant. The name is known while they are connected."""

    id: str
    active: bool
    participant: ParticipantView | None
    connections: list[ConnectionRow] = Field(max_length=SHOWN)
    connection_count: int
    conversations: list[str] = Field(max_length=SHOWN)
    conversation_count: int
    actor: ActorModel | None


class RefusalDossier(BaseModel):
    """Why something was refused. `depth` of `limit` were taken, draining at `drain_rate` a second, where it was for load."""

    id: str
    code: str
    error: str
    status: int
    temporary: bool
    at: str
    participant_id: str | None
    conversation_id: str | None
    client_message_id: str | None
    scope: Literal["conversation", "participant", "server"] | None
    retry_after: float | None
    limit: float | None
    depth: int | None
    drain_rate: float | None
    facts: dict[str, Any]
    figures: dict[str, Any]


class Passivated(BaseModel):
    """Whether the conversation left memory, and why not."""

    passivated: bool
    why: str | None


class Draining(BaseModel):
    """The server drains and ends."""

    draining: Literal[True]
