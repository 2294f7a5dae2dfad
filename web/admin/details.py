"""The details of one conversation, participant or refusal. No actor is messaged and none is activated."""

from __future__ import annotations

from dataclasses import asdict
from heapq import nlargest
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from salon.actors.signals import MemberView

from ..socket import Connection, member_fields, participant_fields, timestamp
from .inspection import CONNECTIONS, Clock, Sight, actor_state, node_name, quantiles
from .schemas import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salon.actors.conversation import ConversationActor
    from salon.actors.directory import Directory
    from salon.actors.model import State
    from salon.actors.recorder import Envelope, Trace
    from salon.actors.refusals import Entry
    from salon.actors.runtime import TrioActor


SENDERS = 5  # shown of the participants whose commands wait
REFUSALS = 20  # shown of a conversation's refusals


async def conversation_dossier(
    directory: Directory, conversation_id: str, clock: Clock | None = None
) -> dict[str, Any] | None:
    """A conversation's details, from its actor if active, else from the store; None if it does not exist."""
    state = await state_of(directory, conversation_id)
    if state is None:
        return None
    actor = directory.active(conversation_id)
    clock = clock or Clock(directory.sources)
    return (
        _state_fields(state)
        | {"active": actor is not None, "participants": _members(state, actor)}
        | conversation_sockets(directory, conversation_id, clock)
        | {"node": node_name(directory), "silent": []}
        | {"actor": None if actor is None else _actor_fields(directory, actor, clock)}
        | _turn_fields(actor, clock)
        | {"refusals": _refusals(directory, conversation_id)}
        | _agent_fields(state, actor)
    )


async def state_of(directory: Directory, conversation_id: str) -> State | None:
    """A conversation's state, from its actor if active, else from the store; None if it does not exist."""
    actor = directory.active(conversation_id)
    state = None if actor is None else actor.state
    if state is None:
        state = await directory.store.load(conversation_id).wait()
    return state if state is not None and state.head else None


async def participant_dossier(
    directory: Directory, participant_id: str, clock: Clock | None = None
) -> dict[str, Any] | None:
    """A participant's details; None if they have no actor and are not a member of any conversation."""
    listing = await directory.store.listing(participant_id, limit=SHOWN, archived=None).wait()
    actor = directory.participants.get(participant_id)
    if actor is None and not listing.total:
        return None
    clock = clock or Clock(directory.sources)
    sight = Sight(directory, clock)
    opened = [] if actor is None else _connections(actor.connections.values())
    return {
        "id": participant_id,
        "node": node_name(directory),
        "silent": [],
        "active": actor is not None,
        "participant": participant_fields(opened[0].participant) if opened else None,
        "connections": [asdict(CONNECTIONS.row(each, sight)) for each in opened[:SHOWN]],
        "connection_count": len(opened),
        "conversations": [line.conversation_id for line in listing.summaries],
        "conversation_count": listing.total,
        "actor": None if actor is None else _actor_fields(directory, actor, clock),
    }


def refusal_dossier(entry: Entry) -> dict[str, Any]:
    """A refusal with all facts recorded when it was made."""
    refusal = entry.refusal
    facts, figures = dict(refusal.facts or {}), dict(entry.figures or {})
    return {
        "id": refusal.id,
        "code": refusal.code.value,
        "error": refusal.text,
        "status": refusal.reason.status,
        "temporary": refusal.reason.temporary,
        "at": timestamp(entry.at),
        "participant_id": entry.participant_id,
        "conversation_id": entry.conversation_id,
        "client_message_id": refusal.key,
        "scope": refusal.scope,
        "retry_after": refusal.retry_after,
        "limit": facts.get("limit"),
        "depth": facts.get("queue_size"),
        "drain_rate": figures.get("drain_rate"),
        "facts": facts,
        "figures": figures,
    }


def _state_fields(state: State) -> dict[str, Any]:
    return {
        "id": state.id,
        "title": state.title,
        "status": "active" if state.ended_at is None else "inactive",
        "head_sequence_id": state.head,
        "message_count": state.messages,
        "created_at": timestamp(state.created_at),
        "updated_at": timestamp(state.updated_at),
        "ended_at": None if state.ended_at is None else timestamp(state.ended_at),
        "participant_count": len(state.members),
        "retention": {"days": state.retention},
    }


def _members(state: State, actor: ConversationActor | None) -> list[dict[str, Any]]:
    return [
        member_fields(
            MemberView(
                member.participant,
                member.role,
                member.joined_at,
                actor is not None and actor.attendance.presence.online(member.participant.id),
            )
        )
        for member in islice(state.members.values(), SHOWN)
    ]


def conversation_sockets(
    directory: Directory, conversation_id: str, clock: Clock | None = None
) -> dict[str, Any]:
    """The connections that a conversation has at this node."""
    actor = directory.attended(conversation_id)
    if actor is None:
        return {"connections": [], "connection_count": 0, "behind_count": 0}
    sight = Sight(directory, clock or Clock(directory.sources))
    opened = _connections(islice(actor.audience, SHOWN))
    return {
        "connections": [asdict(CONNECTIONS.row(each, sight)) for each in opened],
        "connection_count": len(actor.audience),
        "behind_count": len(actor.audience.behind),
    }


def _connections(subscribers: Iterable[object]) -> list[Connection]:
    return [each for each in subscribers if isinstance(each, Connection)]


def _actor_fields(directory: Directory, actor: TrioActor, clock: Clock) -> dict[str, Any]:
    mailbox = actor.actor_inbox
    return {
        "state": actor_state(actor),
        "mailbox": {
            "depth": mailbox.commands,
            "limit": mailbox.limit,
            "share": mailbox.share,
            "drain_rate": round(mailbox.drain.rate, 3),
            "senders": [
                {"participant_id": who, "commands": count}
                for who, count in nlargest(SENDERS, mailbox.senders(), key=itemgetter(1))
            ],
        },
        "turns": actor.turns,
        "restarts": directory.restarts(actor),
        "age": clock.since(actor.started_at),
        "idle": clock.since(actor.last_turn_at),
        "started_at": clock.wall(actor.started_at),
        "last_turn_at": clock.wall(actor.last_turn_at),
    }


def _refusals(directory: Directory, conversation_id: str) -> list[dict[str, Any]]:
    """The last refusals of a conversation, newest first."""
    return [
        {
            "id": entry.refusal.id,
            "code": entry.refusal.code.value,
            "at": timestamp(entry.at),
            "participant_id": entry.participant_id,
        }
        for entry in directory.refusals.of(conversation_id, REFUSALS)
    ]


def _agent_fields(state: State, actor: ConversationActor | None) -> dict[str, Any]:
    """The open runs, and why agents were asked or not, newest first."""
    judgements = [] if actor is None else reversed(actor.agents.requests.judgements)
    return {
        "runs": [
            {
                "run_id": run.id,
                "participant_id": run.participant_id,
                "started_at": timestamp(run.started_at),
                "reply_to": run.reply_to,
                "asked_by": run.asked_by,
                "offset": len(run.text),
            }
            for run in state.runs.values()
        ],
        "decisions": [
            {
                "message_id": f"{state.id}-{judgement.sequence}",
                "participant_id": judgement.agent_id,
                "asked": judgement.verdict.asked,
                "why": judgement.verdict.why,
            }
            for judgement in judgements
        ],
    }


def _turn_fields(actor: ConversationActor | None, clock: Clock) -> dict[str, Any]:
    if actor is None:
        return {"turn_times": None, "batch_sizes": None, "traces": []}
    recorder = actor.recorder
    commands: dict[int, list[Envelope]] = {}
    for envelope in recorder.envelopes:
        commands.setdefault(id(envelope.trace), []).append(envelope)
    traces = [_trace_fields(each, commands.get(id(each), ()), clock) for each in recorder.traces]
    steps = ("waited", "committing", "delivering")
    return {
        "turn_times": {step: quantiles(trace[step] for trace in traces) for step in steps},
        "batch_sizes": quantiles(trace["size"] for trace in traces),
        "traces": traces,
    }


def _trace_fields(trace: Trace, envelopes: Iterable[Envelope], clock: Clock) -> dict[str, Any]:
    """One turn: when its oldest command arrived, and how long each step took."""
    return {
        "turn": f"{trace.begun_at:.6f}",
        "enqueued_at": clock.wall(trace.enqueued_at),
        "begun_at": clock.wall(trace.begun_at),
        "committed_at": clock.wall(trace.committed_at),
        "delivered_at": clock.wall(trace.delivered_at),
        "waited": round(trace.begun_at - trace.enqueued_at, 6),
        "committing": round(trace.committed_at - trace.begun_at, 6),
        "delivering": round(trace.delivered_at - trace.committed_at, 6),
        "envelopes": [_envelope_fields(envelope, clock) for envelope in envelopes],
        "size": trace.size,
        "first_sequence_id": trace.first_sequence,
        "last_sequence_id": trace.last_sequence,
        "refused": trace.refused,
    }


def _envelope_fields(envelope: Envelope, clock: Clock) -> dict[str, Any]:
    refusal = envelope.refusal
    return {
        "command": envelope.command,
        "sender_id": envelope.sender_id,
        "enqueued_at": clock.wall(envelope.enqueued_at),
        "verdict": envelope.verdict,
        "sequence_id": envelope.sequence or None,
        "refusal_id": None if refusal is None else refusal.id,
        "code": None if refusal is None else refusal.code.value,
    }
