"""Checks a whole log against the rights: whoever did something was allowed to, at that moment and to that member."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .rights import DAY, RANK, Rights, millis
from .run_log import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

Event = dict[str, Any]
# After a restart the server knows who spoke last from the newest events only: it keeps at least so many.
REMEMBERED = 3


def faults(
    events: Sequence[Event], *, steady: bool = False, erased: Container[str] = ()
) -> Iterator[Fault]:
    """What somebody has done in a log and was not entitled to. What `erased` people have said is deleted whatever they may.

    `steady` says that the server's clock was never set back. Else the log's time may stand still, which slow mode ignores.
    """
    rights, senders = Rights(steady=steady), dict[str, str]()
    for event in events:
        judge = _JUDGE.get(event["type"])
        problem = "" if judge is None else judge(rights, event, senders)
        by_erasure = event["type"] == "message_deleted" and event["by"] in erased
        if problem and not by_erasure:
            yield Fault("rights", f"{event['type']} {problem}", event["sequence_id"])
        rights.take(event)
        if event["type"] == "message":
            senders[event["message"]["message_id"]] = event["message"]["sender_id"]


def timeline(events: Sequence[Event]) -> list[dict[str, int]]:
    """After each event, and before the first: what each member may read from, by id."""
    rights, before = Rights(), dict[str, int]()
    found = [before]
    for event in events:
        rights.take(event)
        if event["type"] != "message":
            now = {who: rights.first_readable(who) or 1 for who in rights.members}
            before = before if now == before else now
        found.append(before)
    return found


# --- what was said --------------------------------------------------------------------------------


def _message(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    message = event["message"]
    who, at = message["sender_id"], millis(message["timestamp"])
    if "run_id" in message:
        return ""
    if not rights.may(who, "post"):
        return f"is of {who}, who may not post"
    if rights.is_muted(who, at):
        return f"is of {who}, who is muted"
    sequence, last = rights.spoke.get(who, (0, 0))
    stands_still = at == rights.at and not rights.steady
    if rights.slow_mode and rights.rank(who) < RANK["moderator"] and sequence and not stands_still:
        near = event["sequence_id"] - sequence <= REMEMBERED
        if near and at < last + 1000 * rights.slow_mode:
            return f"is of {who}, who spoke less than {rights.slow_mode} s before"
    return ""


def _edited(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    return _said(rights, event, "edit_own")


def _reacted(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    return _said(rights, event, "react")


def _said(rights: Rights, event: Event, action: str) -> str:
    by = event["by"]
    if not rights.may(by, action):
        return f"is by {by}, who may not"
    if rights.is_muted(by, millis(event["timestamp"])):
        return f"is by {by}, who is muted"
    return ""


def _deleted(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    by, sender = event["by"], senders.get(event["message_id"], "")
    if _is_operator(rights, by):
        return ""
    if by == sender:
        return "" if rights.may(by, "delete_own") else f"is by {by}, who may not"
    allowed = rights.may(by, "delete_any") and rights.rank(by) > rights.rank(sender)
    return "" if allowed else f"is by {by}, who may not delete what {sender} said"


def _pinned(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    return "" if rights.may(event["by"], "pin") else f"is by {event['by']}, who may not"


# --- who comes in ---------------------------------------------------------------------------------


def _joined(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    who, at = event["participant"]["id"], millis(event["timestamp"])
    if rights.direct:
        return f"is of {who}, and the conversation is of two people"
    if rights.is_banned(who, at):
        return f"is of {who}, who is banned"
    if who in rights.members:
        return f"is of {who}, who is a member"
    if "invite_id" in event:
        return _by_invite(rights, event, at)
    by = event.get("invited_by")
    if by is None:
        return "" if rights.join == "open" else f"is of {who}, whom nobody has let in"
    if not rights.may(by, "invite") or RANK[event["role"]] > rights.rank(by):
        return f"is of {who}, whom {by} may not let in so"
    return ""


def _by_invite(rights: Rights, event: Event, at: int) -> str:
    name = event["invite_id"]
    invite = rights.invites.get(name)
    if invite is None:
        return f"is by the invite {name}, which is not there"
    if invite.over(at):
        return f"is by the invite {name}, which is over after {invite.uses} uses"
    able = rights.may(invite.by, "invite") and RANK[invite.role] <= rights.rank(invite.by)
    if not able or event["role"] != invite.role:
        return f"is by the invite {name} of {invite.by}, which is worth nothing, or less"
    return ""


def _invited(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    by = event["by"]
    able = rights.may(by, "invite") and RANK[event["role"]] <= rights.rank(by)
    return "" if able and not rights.direct else f"is by {by}, who may not invite so"


def _revoked(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    by, invite = event["by"], rights.invites.get(event["invite_id"])
    if invite is None:
        return f"is of {event['invite_id']}, which is not there"
    able = rights.may(by, "invite") and (invite.by == by or rights.may(by, "remove"))
    return "" if able else f"is by {by}, who may not"


def _requested(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    who, at = event["participant"]["id"], millis(event["timestamp"])
    denied = rights.requests.get(who)
    if who in rights.members or rights.is_banned(who, at) or rights.join == "open":
        return f"is of {who}, who has nothing to ask for"
    again = who in rights.requests and (denied is None or at < denied + DAY)
    return f"is of {who}, who has asked before" if again else ""


def _denied(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    waits = rights.requests.get(event["participant_id"], 0) is None
    return "" if waits and rights.may(event["by"], "invite") else f"is by {event['by']} for nothing"


# --- what members do to members -------------------------------------------------------------------


def _on(action: str, *, strangers: bool = False) -> Callable[..., str]:
    def judge(rights: Rights, event: Event, senders: dict[str, str]) -> str:
        by = event["by"]
        who = event["participant_id"] if "participant_id" in event else event["participant"]["id"]
        if _is_operator(rights, by):
            return ""
        if who not in rights.members and not strangers:
            return f"is of {who}, who is no member"
        able = rights.may(by, action) and rights.rank(by) > rights.rank(who)
        return "" if able else f"of {who} is by {by}, who may not"

    return judge


def _role(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    by, who, role = event["by"], event["participant_id"], event["role"]
    if who not in rights.members:
        return f"is of {who}, who is no member"
    able = by == who or (rights.may(by, "change_roles") and rights.rank(by) > rights.rank(who))
    if not able or RANK[role] > rights.rank(by):
        return f"of {who} to {role} is by {by}, who may not"
    owners = sum(each == "owner" for each in rights.members.values())
    last = rights.members[who] == "owner" and owners == 1 and role != "owner"
    return f"takes the last owner, {who}, away" if last else ""


def _lifted(action: str) -> Callable[..., str]:
    def judge(rights: Rights, event: Event, senders: dict[str, str]) -> str:
        by = event["by"]
        able = _is_operator(rights, by) or rights.may(by, action)
        return "" if able else f"is by {by}, who may not"

    return judge


def _left(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    who = event["participant"]["id"]
    return "" if who in rights.members else f"is of {who}, who is no member"


def _updated(rights: Rights, event: Event, senders: dict[str, str]) -> str:
    by = event["by"]
    named = "title" in event or "metadata" in event
    ruled = "permissions" in event or "history" in event
    if (
        (ruled and rights.members.get(by) != "owner")
        or (named and not rights.may(by, "rename"))
        or ("slow_mode" in event and not rights.may(by, "mute"))
    ):
        return f"is by {by}, who may not"
    return ""


def _is_operator(rights: Rights, by: str) -> bool:
    """Whether somebody who was never a member acts: only operators can."""
    return by not in rights.known


_JUDGE: dict[str, Callable[[Rights, Event, dict[str, str]], str]] = {
    "message": _message,
    "message_edited": _edited,
    "message_deleted": _deleted,
    "message_pinned": _pinned,
    "message_unpinned": _pinned,
    "reaction_added": _reacted,
    "participant_joined": _joined,
    "participant_left": _left,
    "participant_removed": _on("remove"),
    "participant_banned": _on("ban", strangers=True),
    "participant_unbanned": _lifted("ban"),
    "participant_muted": _on("mute"),
    "participant_unmuted": _lifted("mute"),
    "participant_role_changed": _role,
    "invite_created": _invited,
    "invite_revoked": _revoked,
    "join_requested": _requested,
    "join_denied": _denied,
    "conversation_updated": _updated,
}
