"""The end of a run: the logs are read, and what each client has got is compared with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checker import ended_run
from .crowd import log_of
from .user import Fingerprint

if TYPE_CHECKING:
    from .agent import CrashAgent, LeavingAgent
    from .crowd import Crowd
    from .user import CrashUser


async def conclude(crowd: Crowd) -> None:
    """Read the logs into the history; what disagrees with them goes into the toll."""
    for room in crowd.rooms:
        crowd.toll.stored += await room.client.record_log(room.conversation)
        await _compare_readers(crowd, room)
        await _compare_runs(crowd, room)


async def _compare_runs(crowd: Crowd, room: CrashUser) -> None:
    """Compare what agents have said with the messages of their runs."""
    contents = {}
    async for event in log_of(room):
        if (run_id := ended_run(event)) is not None:
            message = event.get("message", {})
            contents[run_id] = message.get("content", "")
            crowd.toll.runs += 1
            crowd.toll.runs_interrupted += message.get("status") == "interrupted"
    agents: list[CrashAgent | LeavingAgent] = [*crowd.agents, *crowd.leavers]
    for agent in agents:
        if agent.conversation == room.conversation:
            crowd.toll.disagreeing += agent.wrong(contents)


async def _compare_readers(crowd: Crowd, room: CrashUser) -> None:
    """Compare what each client has got, and what it would come to with the rest of the log, with the log."""
    there = [each for each in crowd.survivors if each.conversation == room.conversation]
    stopped: dict[int, list[CrashUser]] = {}
    for each in there:
        stopped.setdefault(each.state.head, []).append(each)
    log = Fingerprint(crowd.nameless)
    digests = {0: log.digest}
    going_on = list(stopped.get(0, ()))
    async for event in log_of(room):
        for each in going_on:
            each.state.go_on(event)
        log.add(event)
        if log.head in stopped:
            digests[log.head] = log.digest
            going_on += stopped[log.head]
    for each in there:
        if each.state.digest != digests.get(each.state.head):
            crowd.toll.disagreeing.append(f"{each.client.person} at {each.state.head}")
        elif each.state.fold.messages != log.fold.messages:
            crowd.toll.disagreeing.append(f"{each.client.person} in what was changed")
