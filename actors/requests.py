"""The answers that agents are asked for and have not begun: each is given again when its agent connects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .events import AgentUpdated, Deleted, Edited, Introduced, Joined, Left, Posted, RunStarted
from .model import Member
from .rules import named_sequence
from .signals import RunRequested
from .triggers import Verdict, judge, run_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .events import Event
    from .model import State

OPEN_REQUESTS = 20  # of one agent: one that was away for longer need not answer everything
JUDGEMENTS = 64  # remembered for operators who ask why an agent did not answer


class Judgement(NamedTuple):
    """What was decided about a message and an agent."""

    sequence: int
    agent_id: str
    verdict: Verdict


class Pending(NamedTuple):
    """A request, and whose message asks."""

    request: RunRequested
    asked_by: str


class RequestBoard:
    """The open requests of a conversation, by agent and run id, oldest first; and the last judgements."""

    __slots__ = ("_open", "judgements")

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Pending]] = {}
        self.judgements: list[Judgement] = []

    def note(self, judgements: Iterable[Judgement]) -> None:
        """Remember what was decided."""
        self.judgements.extend(judgements)
        del self.judgements[:-JUDGEMENTS]

    def ask(self, agent_id: str, request: RunRequested, asked_by: str, *, alone: bool) -> None:
        """Add a request; the oldest of too many is dropped. With `alone` it takes the place of all that its person has asked."""
        requests = self._open.setdefault(agent_id, {})
        if alone:
            for id in [id for id, each in requests.items() if each.asked_by == asked_by]:
                del requests[id]
        requests[request.run_id] = Pending(request, asked_by)
        if len(requests) > OPEN_REQUESTS:
            del requests[next(iter(requests))]

    def follow(self, events: Iterable[Event]) -> None:
        """Drop the requests that these events answer: by the run that was asked for, or by any reply of that agent.

        What a message asked for that is deleted is dropped, too.
        """
        for event in events:
            if isinstance(event, Deleted):
                self._forget_message(event.message_id)
            elif isinstance(event, RunStarted):
                self._drop(event.participant_id, event.run_id, event.reply_to)
            elif isinstance(event, Posted) and event.sender.id in self._open:
                self._drop(event.sender.id, event.run_id, event.reply_to)
                if event.run_id is None and event.reply_to is None:
                    self._drop_alone(event.sender.id)

    def of(self, agent_id: str) -> Sequence[RunRequested]:
        """What an agent has not begun."""
        return tuple(each.request for each in self._open.get(agent_id, {}).values())

    def forget(self, agent_id: str) -> None:
        """Drop the requests of an agent who is no longer a member."""
        self._open.pop(agent_id, None)

    def take_over(self, before: RequestBoard) -> None:
        """Add what the log does not tell: the answers that people have asked for once more."""
        for agent_id, requests in before._open.items():
            for request, asked_by in requests.values():
                if request.why == "regenerate":
                    self.ask(agent_id, request, asked_by, alone=False)

    def _forget_message(self, message_id: str) -> None:
        """Drop what a message asked for that was deleted."""
        for agent_id, requests in list(self._open.items()):
            for run_id in [
                id for id, each in requests.items() if each.request.message_id == message_id
            ]:
                del requests[run_id]
            if not requests:
                del self._open[agent_id]

    def _drop_alone(self, agent_id: str) -> None:
        """A message that replies to nothing answers the person whom the agent is alone with."""
        requests = self._open.get(agent_id, {})
        for run_id in [id for id, each in requests.items() if each.request.why == "alone"]:
            del requests[run_id]
        if not requests:
            self._open.pop(agent_id, None)

    def _drop(self, agent_id: str, run_id: str | None, message_id: str | None) -> None:
        requests = self._open.get(agent_id)
        if requests is not None:
            requests.pop(run_id or "", None)
            answered = [
                id
                for id, each in requests.items()
                if each.request.message_id == message_id and each.request.why != "regenerate"
            ]
            for id in answered:
                del requests[id]
            if not requests:
                del self._open[agent_id]


def judged(
    message: Posted, state: State, replied_to: str | None
) -> Iterator[tuple[Judgement, RunRequested | None]]:
    """What is decided about a message for each agent; with the request where the agent is asked."""
    for agent_id in state.agents:
        verdict = judge(message, state.members[agent_id], state.members, replied_to, state.hops)
        request = None
        if verdict.asked:
            run_id = run_id_of(message.message_id, agent_id)
            request = RunRequested(run_id, message.message_id, message.mentions, verdict.why)  # type: ignore[arg-type]
        yield Judgement(message.sequence, agent_id, verdict), request


def until_person(events: Sequence[Event]) -> int | None:
    """The number of messages after the last one of a person; None where there is none of a person."""
    hops = 0
    for event in reversed(events):
        if isinstance(event, Posted):
            if event.sender.type == "human":
                return hops
            hops += 1
    return None


def replied_to_in(events: Iterable[Event], state: State) -> set[int]:
    """The sequences of the messages that these events reply to."""
    names = (event.reply_to for event in events if isinstance(event, Posted) and event.reply_to)
    return {each for name in names if (each := named_sequence(state.id, name)) is not None}


def members_at(
    events: Sequence[Event], members: Mapping[str, Member]
) -> list[Mapping[str, Member]]:
    """The members at each of the newest events, worked out backwards from those of today."""
    found = []
    for event in reversed(events):
        found.append(members)
        match event:
            case Joined(participant=who):
                members = {id: member for id, member in members.items() if id != who.id}
            case Left(participant=who):
                members = {**members, who.id: Member(who, "member", event.at)}
            case Introduced(participant=who) if who.type == "agent" and who.id in members:
                # Until then it was taken for a person.
                person = members[who.id].participant._replace(type="human")
                members = {**members, who.id: replace(members[who.id], participant=person)}
    return found[::-1]


def _mentions_as_sent(events: Iterable[Event]) -> dict[str, tuple[str, ...]]:
    """Whom edited messages mentioned when they were sent: an edit asks no agent, and takes no question back."""
    found = {}
    for event in events:
        if isinstance(event, Edited) and event.content is not None:  # the last one of its message
            now = event.mentions or ()
            first = event.first_mentions
            found[event.message_id] = now if first is None else first
    return found


def recalled(
    events: Sequence[Event], state: State, sender_of: Callable[[int], str | None], hops: int
) -> tuple[RequestBoard, int]:
    """The board after a restart, and the hops after the events: what was asked for by the newest events.

    `hops` are those before the events. An agent is not asked again about messages from before its setting was changed.
    """
    board = RequestBoard()
    since = {e.participant_id: e.sequence for e in events if isinstance(e, AgentUpdated)}
    then = state.draft()
    then.hops = hops
    sent = _mentions_as_sent(events)
    for event, members in zip(events, members_at(events, state.members), strict=True):
        if isinstance(event, Posted):
            event = event._replace(mentions=sent.get(event.message_id, event.mentions))
            then.hops = 0 if event.sender.type == "human" else then.hops + 1
            if members is not then.members:
                then.members = dict(members)
                then.find_agents()
            sequence = named_sequence(state.id, event.reply_to or "")
            replied_to = sender_of(sequence) if sequence else None
            for judgement, request in judged(event, then, replied_to):
                agent_id = judgement.agent_id
                if agent_id not in state.agents or event.sequence < since.get(agent_id, 0):
                    continue
                board.note((judgement,))
                if request is not None:
                    restarts = state.members[agent_id].steering == "restart"
                    board.ask(agent_id, request, event.sender.id, alone=restarts)
        board.follow((event,))
    return board, then.hops
