"""The schemas of health and administration. Times are ISO 8601 or seconds ago; an unknown value is null."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal

from pydantic import BaseModel, Field

from ..api import ID_LENGTH, ListQuery, MemberModel, ParticipantView, Retention, Title
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
    """The store. `waiting` counts appends that are not committed yet. The status is `error` for a minute after the last error."""

    status: Literal["connected", "error"]
    durability: Literal["committed", "memory"]
    commits: int
    records: int
    waiting: int


class ChatHealth(BaseModel):
    """Figures of the chat."""

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
    """The process since its start. `events` counts events of all kinds. `deliveries` counts each event once for each
    connection that got it. `turn_seconds` covers the last turns, from a command's arrival to all answers and deliveries.
    `listeners` counts open streams of /admin/events. `node` is the name of the node of a cluster that the figures are of, empty
    without one.
    """

    node: str
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
    """The requested rows; `key` is a part of the id, title or name, in upper or lower case."""

    key: str | None = Field(default=None, max_length=ID_LENGTH)
    sort: str | None = None


class ActorQuery(RowQuery):
    """The requested actors."""

    kind: Literal["conversation", "participant"] | None = None
    state: ActorState | None = None
    sort: str | None = Field(default=None, pattern=columns(ActorRow))


class ConversationQuery(RowQuery):
    """The requested active conversations."""

    state: ActorState | None = None
    sort: str | None = Field(default=None, pattern=columns(ConversationRow))


class ConnectionQuery(RowQuery):
    """The requested connections."""

    state: ConnectionState | None = None
    conversation_id: str | None = None
    participant_id: str | None = None
    sort: str | None = Field(default=None, pattern=columns(ConnectionRow))


class FeedQuery(RowQuery):
    """The list to follow in addition to the figures, with the parameters of that list; or the item to follow, by its `id`."""

    watch: Watched | None = None
    id: str | None = Field(default=None, max_length=ID_LENGTH)
    kind: Literal["conversation", "participant"] | None = None
    state: ActorState | ConnectionState | None = None
    conversation_id: str | None = None
    participant_id: str | None = None
    inside: str | None = Field(
        default=None,
        max_length=ID_LENGTH,
        description="In a list of actors or conversations: the one whose connections are also followed.",
    )
    history: int = Field(
        default=0, ge=0, le=SAMPLES, description="Number of past samples at the start."
    )
    every: int = Field(default=1, ge=1, le=60, description="Seconds between two updates.")


class SearchQuery(BaseModel):
    """The search text: a part of an id, a title or a name; for a conversation that is not in memory, its whole id."""

    q: str = Field(min_length=1, max_length=ID_LENGTH)


class Hit(BaseModel):
    """An item that was found."""

    kind: Literal["conversation", "participant", "connection", "refusal"]
    id: str
    label: str
    active: bool


class Hits(BaseModel):
    """The items that were found, best match first."""

    hits: list[Hit]


class DeedModel(BaseModel):
    """An action of an operator, or of a member on others: a role, a removal, a ban, a mute, an invite.

    `node` is the name of the node of a cluster that carried it out.
    """

    number: int
    at: str
    operator_id: str
    action: str
    target: str
    outcome: str
    node: str | None


class Audit(BaseModel):
    """The last actions of operators, oldest first."""

    deeds: list[DeedModel]


class OverNodes(BaseModel):
    """What all nodes of a cluster have said; `silent` names those that did not answer within a second."""

    silent: list[str]


class Actors(OverNodes):
    """Live actors; `total` counts all pages."""

    actors: list[ActorRow]
    total: int
    limit: int
    offset: int


class Conversations(OverNodes):
    """Active conversations; `total` counts all pages."""

    conversations: list[ConversationRow]
    total: int
    limit: int
    offset: int


class Connections(OverNodes):
    """Open connections; `total` counts all pages."""

    connections: list[ConnectionRow]
    total: int
    limit: int
    offset: int


class SenderModel(BaseModel):
    """A participant, and the number of their waiting commands."""

    participant_id: str
    commands: int


class MailboxModel(BaseModel):
    """The `depth` waiting commands. `limit` bounds them, `share` those of one participant. `drain_rate` is in commands a second,
    measured while there was work. `senders` are the participants with the most waiting commands.
    """

    depth: int
    limit: int
    share: int
    drain_rate: float
    senders: list[SenderModel]


class ActorModel(BaseModel):
    """The actor of a conversation or participant."""

    state: ActorState
    mailbox: MailboxModel
    turns: int
    restarts: int
    age: float
    idle: float
    started_at: str
    last_turn_at: str


class TurnTimes(BaseModel):
    """Times of the last turns, in seconds."""

    waited: Quantiles
    committing: Quantiles
    delivering: Quantiles


class EnvelopeModel(BaseModel):
    """One command of a turn. `sequence_id` is null if the command made no event. `refusal_id` can be looked up."""

    command: str
    sender_id: str
    enqueued_at: str
    verdict: Literal["stored", "repeated", "noted", "refused"]
    sequence_id: int | None
    refusal_id: str | None
    code: str | None


class TraceModel(BaseModel):
    """One turn. `waited` is the waiting time of its oldest command, in seconds. The sequences are 0 if nothing was recorded.
    `envelopes` has the commands of this turn that are among the last 32 of the conversation; `size` counts all its commands.
    """

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
    """A refusal, abridged."""

    id: str
    code: str
    at: str
    participant_id: str | None


class RunLine(BaseModel):
    """An open run."""

    run_id: str
    participant_id: str
    started_at: str
    reply_to: str | None
    asked_by: str | None
    offset: int


class DecisionLine(BaseModel):
    """Whether an agent was asked to answer a message, and by which rule."""

    message_id: str
    participant_id: str
    asked: bool
    why: Literal[
        "alone",
        "mention",
        "reply",
        "always",
        "own",
        "never",
        "others mentioned",
        "agent spoke",
        "not mentioned",
        "not alone",
    ]


class ConversationDossier(OverNodes):
    """All details of one conversation. Without an actor, while it is not active, there are no measurements.

    `node` is the name of the node that owns it, null without a cluster.
    """

    id: str
    node: str | None
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
    retention: Retention
    connections: list[ConnectionRow] = Field(max_length=SHOWN)
    connection_count: int
    behind_count: int
    actor: ActorModel | None
    turn_times: TurnTimes | None
    batch_sizes: Quantiles | None
    traces: list[TraceModel]
    refusals: list[RefusalLine]
    runs: list[RunLine] = Field(
        description="The open runs of agents; `offset` counts what is said."
    )
    decisions: list[DecisionLine] = Field(
        description="Whether agents were asked to answer the last messages, and by which rule; newest first."
    )


class ParticipantDossier(OverNodes):
    """All details of one participant. The name is known while they are connected.

    The actor is that of the node named `node`, at which they have the most connections; null without a cluster.
    """

    id: str
    node: str | None
    active: bool
    participant: ParticipantView | None
    connections: list[ConnectionRow] = Field(max_length=SHOWN)
    connection_count: int
    conversations: list[str] = Field(max_length=SHOWN)
    conversation_count: int
    actor: ActorModel | None


class RefusalDossier(BaseModel):
    """The details of a refusal. For load, `depth` of `limit` places were taken, and `drain_rate` is in commands a second."""

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


class CancelledRun(BaseModel):
    """How the run has ended."""

    run_id: str
    status: Literal["complete", "cancelled", "interrupted", "failed"]


class Passivated(BaseModel):
    """Whether the conversation was removed from memory; `why` gives the reason if not."""

    passivated: bool
    why: str | None


class Draining(BaseModel):
    """The server drains and exits."""

    draining: Literal[True]
