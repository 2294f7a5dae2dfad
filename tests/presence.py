"""Who is online, as a socket is told."""

from __future__ import annotations

from typing import Any

from tests.person import Person, Tab


async def until_shown(tab: Tab, who: Person, *, online: bool) -> None:
    """Wait until somebody is shown so, in the list of members or by what has changed since."""
    shown = False
    for frame in tab.frames:
        shown = _shown(frame, who, shown)
    while shown != online:
        shown = _shown(await tab.next(), who, shown)


def _shown(frame: dict[str, Any], who: Person, before: bool) -> bool:
    for each in frame["participants"] if frame["type"] == "participant_list" else ():
        if each["participantId"] == who.id:
            return bool(each["isOnline"])
    for each in frame["changes"] if frame["type"] == "presence" else ():
        if each["participant_id"] == who.id:
            return bool(each["status"] == "online")
    return before
