"""When an agent is asked to answer a message: one pure function, and the id of the run that is asked for."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .events import Posted
    from .model import Member, Why

WhyNot = Literal["own", "never", "others mentioned", "agent spoke", "not mentioned", "not alone"]
AGENTS_MAY_CALL = 20  # hops at most: more of them is a loop that somebody pays for


class Verdict(NamedTuple):
    """Whether an agent is asked to answer a message, and by which rule."""

    asked: bool
    why: Why | WhyNot


def judge(
    message: Posted, agent: Member, members: Mapping[str, Member], replied_to: str | None, hops: int
) -> Verdict:
    """Whether the agent is asked to answer the message.

    `replied_to` is the sender of the message that it replies to. `hops` counts the messages of agents since the last one of a
    person, with this one.
    """
    id = agent.participant.id
    if message.sender.id == id:
        return Verdict(False, "own")
    if agent.trigger == "never":
        return Verdict(False, "never")
    if message.mentions and id not in message.mentions:
        return Verdict(False, "others mentioned")
    if hops > agent.agents_may_call:
        return Verdict(False, "agent spoke")
    if id in message.mentions:
        return Verdict(True, "mention")
    if agent.trigger == "mention":
        return Verdict(False, "not mentioned")
    if agent.trigger == "always":
        return Verdict(True, "always")
    if replied_to == id:
        return Verdict(True, "reply")
    if message.sender.type == "human" and _alone(members):
        return Verdict(True, "alone")
    return Verdict(False, "not alone")


def run_id_of(message_id: str, agent_id: str) -> str:
    """The id of the run that is asked for: the same whenever the same agent is asked about the same message."""
    digest = blake2b(f"{message_id}\0{agent_id}".encode(), digest_size=16).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _alone(members: Mapping[str, Member]) -> bool:
    """Whether one person and one agent are all who may speak."""
    found = {"agent": 0, "human": 0}
    for member in members.values():
        if member.role != "observer":
            found[member.participant.type] += 1
            if found[member.participant.type] > 1:
                return False
    return found == {"agent": 1, "human": 1}
