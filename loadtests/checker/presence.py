"""Checks the presence that each socket was told: at the end nobody may be shown with a wrong status."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .history import Received, Record


class Presence:
    """Takes the records of a run. `wrong` compares the presence shown on open sockets with the truth."""

    def __init__(self) -> None:
        self._shown: dict[str, dict[str, bool]] = {}  # socket -> person -> whether online
        self._names: dict[str, tuple[str, str]] = {}  # person and conversation
        self._over = False

    def take(self, record: Record) -> None:
        """Take the next record. From the log on, records are ignored: a socket closed later counts as open."""
        self._over = self._over or record.record == "log"
        if self._over:
            return
        if record.record == "received" and record.socket is not None:
            self._frame(record)
        elif record.record == "disconnect" and record.socket is not None:
            self._shown.pop(record.socket, None)

    def _frame(self, record: Received) -> None:
        frame, socket = record.frame, record.socket or ""
        match frame["type"]:
            case "participant_list":
                self._names[socket] = record.person, record.conversation
                self._shown[socket] = {
                    each["participantId"]: each["isOnline"] for each in frame["participants"]
                }
            case "presence":
                for each in frame["changes"]:
                    self._shown[socket][each["participant_id"]] = each["status"] == "online"
            case "participant_joined":
                # A repeated event, after the reader fell behind, says nothing about the current presence.
                self._shown[socket].setdefault(frame["participant"]["id"], False)

    def wrong(
        self,
        there: Mapping[str, Sequence[str]],
        gone: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[str]:
        """A text for each socket that shows one of those as offline who are connected, or as online who are not.

        `there` and `gone` are people by conversation.
        """
        for socket, shown in self._shown.items():
            person, conversation = self._names[socket]
            names = f"{person} in {conversation}, socket {socket}"
            missing = [who for who in there.get(conversation, ()) if not shown.get(who)]
            if missing:
                yield f"{names}, shows as offline: {', '.join(missing)}"
            kept = [who for who in (gone or {}).get(conversation, ()) if shown.get(who)]
            if kept:
                yield f"{names}, shows as online: {', '.join(kept)}"
