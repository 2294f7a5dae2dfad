"""The texts of open runs at a node that does not own the conversation: what its live readers have of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from salon.actors.mailbox import Letter
from salon.actors.run_messages import ExtendRun
from salon.actors.signals import Delta, RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from salon.actors.model import Run, State


def said_again(state: State, pieces: Iterable[tuple[str, int, str]]) -> list[Letter]:
    """Pieces of the texts of open runs, each with its place, as commands of their agents that nobody waits for."""
    now, letters = trio.current_time(), []
    for run_id, offset, text in pieces:
        run = state.runs.get(run_id)
        agent = None if run is None else state.members.get(run.participant_id)
        if agent is not None and text:
            command = ExtendRun(state.id, agent.participant, run_id, offset, text)
            letters.append(Letter(command, None, now))
    return letters


class Texts:
    """By run. A text is passed on without a gap, whatever is lost on the way from the owner."""

    __slots__ = ("_said", "_statuses")

    def __init__(self) -> None:
        self._said: dict[str, Delta] = {}  # of each run all that was said
        self._statuses: dict[str, RunStatus] = {}

    def follow(self, runs: Mapping[str, Run]) -> None:
        """Begin and end with the open runs of the state."""
        self._said = {id: each for id, each in self._said.items() if id in runs}
        self._statuses = {id: each for id, each in self._statuses.items() if id in runs}
        for id, run in runs.items():
            if id not in self._said:
                self._said[id] = Delta(id, run.participant_id, 0, "", run.reply_to, run.asked_by)

    def lengths(self) -> tuple[tuple[str, int], ...]:
        """What there is of each text, in code points."""
        return tuple((id, len(each.text)) for id, each in self._said.items())

    def said_again(self, state: State) -> list[Letter]:
        """All that was said, as commands to an owner that may lack the last second of it: what it has changes nothing."""
        return said_again(state, [(id, 0, each.text) for id, each in self._said.items()])

    def take(self, delta: Delta, *, whole: bool = False) -> Delta | None:
        """Take more text; what of it the readers lack, or None. `whole`: it is the truth, also where it is less.

        Raises `LookupError` where something before it is missing.
        """
        before = self._said.get(delta.run_id)
        if before is None or delta.offset > len(before.text):
            raise LookupError(delta.run_id)
        text = before.text[: delta.offset] + delta.text
        if whole and delta.offset == 0 and not text.startswith(before.text):
            self._said[delta.run_id] = replace(before, text=text)
            return delta
        if not text.startswith(before.text) or len(text) == len(before.text):
            return None
        self._said[delta.run_id] = replace(before, text=text)
        self._statuses.pop(delta.run_id, None)
        return Delta(delta.run_id, delta.participant_id, len(before.text), text[len(before.text) :])

    def rest(self, run_id: str, content: str) -> Delta | None:
        """What the readers lack of a run that ends with this text; None where they have all of it."""
        said = self._said.get(run_id)
        if said is None or said.text == content:
            return None
        start = len(said.text) if content.startswith(said.text) else 0
        return Delta(run_id, said.participant_id, start, content[start:])

    def note(self, status: RunStatus) -> bool:
        """Keep what a run is doing; whether it is new."""
        is_new = self._statuses.get(status.run_id) != status
        self._statuses[status.run_id] = status
        return is_new

    def so_far(self, but: str) -> Iterator[Delta | RunStatus]:
        """For a reader who has just become live. `but` is the reader's id."""
        for id, said in self._said.items():
            if said.participant_id != but:
                yield said
                if id in self._statuses:
                    yield self._statuses[id]
