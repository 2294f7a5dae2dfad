"""How far each open run has come: what its readers have, what the store has, and until when its agent may be silent."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

from .signals import Delta, RunStatus
from .store import RunText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .model import FailureReason, Run, State

# Seconds between two deltas of a run on average: smooth to the eye, whatever the tokens a second
DELTA_EVERY = 0.05
EARLY = 0.02  # seconds by which a delta may be early if the one before it was late: clients' clocks jitter
# Seconds: deltas that no further text triggers leave at multiples of it, those of many conversations together
BEAT = 0.01
# Seconds until what a run has said is stored. A kill loses at most a second of it, the commit included
SAVE_EVERY = 0.8
# Conversations store at so many different times of it, each always at its own: many in one commit, and not all in one
SAVES = 8
NEVER = float("inf")


class Overdue(NamedTuple):
    """A run whose time is up, and why."""

    run_id: str
    reason: FailureReason


@dataclass(slots=True)
class Progress:
    """One open run. Lengths are code points, times are seconds on the caller's clock."""

    participant_id: str
    heard_at: float  # the agent's last command about it
    saved_at: float
    lost_at: float = -NEVER  # when the agent's last connection ended
    saved: int = 0  # of its text, in the store
    sent: int = 0  # of its text, with the live readers
    free_at: float = 0.0  # when the next delta may be sent
    reset: bool = False  # the readers may have other text: it must be replaced
    status: RunStatus | None = None
    told: bool = True  # whether the readers have the status


class RunBoard:
    """The progress of a conversation's open runs.

    `connected` tells whether a participant has a connection now. A silent run ends after `grace` seconds where its agent has
    none, counted from its loss or from the last command, and in any case after `timeout` (0: never). `place` is any number that
    differs between conversations: it spreads the times at which they store.
    """

    __slots__ = ("_connected", "_grace", "_open", "_phase", "_timeout")

    def __init__(
        self, connected: Callable[[str], bool], *, grace: float, timeout: float, place: int
    ) -> None:
        self._connected = connected
        self._phase = place % SAVES * SAVE_EVERY / SAVES
        self._grace = grace
        self._timeout = timeout or NEVER
        self._open: dict[str, Progress] = {}

    def __len__(self) -> int:
        return len(self._open)

    def follow(self, state: State, now: float) -> None:
        """Begin and end with the runs of a state that was just published."""
        if state.runs.keys() != self._open.keys():
            for run in state.runs.values():
                if run.id not in self._open:
                    self._open[run.id] = Progress(run.participant_id, now, now)
            self._open = {id: each for id, each in self._open.items() if id in state.runs}

    def loaded(self, state: State, stored: Mapping[str, int], now: float) -> None:
        """Take the runs of a state that was just loaded; `stored` has the lengths of their texts in the store.

        Readers who are live now may have more of a text than there is.
        """
        known = set(self._open)
        self.follow(state, now)
        for id, progress in self._open.items():
            length = len(state.runs[id].text)
            progress.saved, progress.saved_at = stored[id], now
            if id not in known:
                progress.sent, progress.heard_at = length, now
            elif progress.sent > length:
                progress.sent, progress.reset = length, True

    def heard(self, run_id: str, now: float) -> None:
        """Note a command of the agent about a run."""
        if run_id in self._open:
            self._open[run_id].heard_at = now

    def lost(self, participant_id: str, now: float) -> None:
        """Note that an agent's last connection has ended."""
        for progress in self._open.values():
            if progress.participant_id == participant_id:
                progress.lost_at = now

    # --- readers ----------------------------------------------------------------------------------------------------------

    def news(
        self, runs: Iterable[Run], now: float, *, ended: bool = False
    ) -> Iterator[tuple[str, Delta | RunStatus]]:
        """What live readers lack of these runs and may be sent now, with the agents' ids; of `ended` ones the text at once."""
        for run in runs:
            progress = self._open.get(run.id)
            if progress is None or not (ended or now >= progress.free_at):
                continue
            if progress.reset or len(run.text) > progress.sent:
                start = 0 if progress.reset else progress.sent
                progress.reset, progress.sent = False, len(run.text)
                if progress.told:
                    progress.status = None  # what it says now is what it does
                self._sent(progress, now)
                yield run.participant_id, Delta(run.id, run.participant_id, start, run.text[start:])
            if progress.status is not None and not progress.told and not ended:
                progress.told = True
                self._sent(progress, now)
                yield run.participant_id, progress.status

    @staticmethod
    def _sent(progress: Progress, now: float) -> None:
        # Later by one interval than the last was due, not than it was sent: an agent whose frames come a little early
        # and a little late has each passed on at once.
        progress.free_at = max(progress.free_at, now - EARLY) + DELTA_EVERY

    def so_far(self, state: State, but: str) -> Iterator[Delta | RunStatus]:
        """For a reader who has just become live: all that the other readers have. `but` is the reader's id."""
        for run in state.runs.values():
            progress = self._open[run.id]
            if run.participant_id != but:
                text = run.text[: progress.sent]
                yield Delta(run.id, run.participant_id, 0, text, run.reply_to, run.asked_by)
                if progress.status is not None and progress.told:
                    yield progress.status

    def note(self, status: RunStatus) -> None:
        """Keep what a run is doing, for the readers and those to come; they get the last of several."""
        progress = self._open[status.run_id]
        progress.status, progress.told = status, False

    def news_due(self, state: State) -> float | None:
        """When the next news of a run must be sent though its agent says nothing more, or None.

        That is later than they may be sent: an agent whose frames are as far apart as deltas would else have each frame sent by
        a timer, for ever as late as the first.
        """
        first = NEVER
        for id, progress in self._open.items():
            if progress.free_at < first and (
                len(state.runs[id].text) > progress.sent or progress.reset or not progress.told
            ):
                first = progress.free_at
        return None if first == NEVER else ceil((first + EARLY) / BEAT) * BEAT

    # --- the store --------------------------------------------------------------------------------------------------------

    def save_due(self, state: State) -> float | None:
        """When the store must be told what was said, or None."""
        first = NEVER
        for id, progress in self._open.items():
            if progress.saved_at < first and len(state.runs[id].text) > progress.saved:
                first = progress.saved_at
        return None if first == NEVER else self._save_after(first)

    def _save_after(self, at: float) -> float:
        """The conversation's last time to store, at most `SAVE_EVERY` after this one."""
        # A hair's breadth before such a time counts as after it: else rounding makes it due twice.
        times = (at + SAVE_EVERY - self._phase) / SAVE_EVERY + 1e-3
        return floor(times) * SAVE_EVERY + self._phase

    def save_now(self) -> None:
        """Make everything that the store lacks due."""
        for progress in self._open.values():
            progress.saved_at = -SAVE_EVERY

    def unsaved(self, state: State) -> tuple[RunText, ...]:
        """What the open runs of a draft have said and the store lacks."""
        pieces = []
        for run in state.runs.values():
            saved = self._open[run.id].saved if run.id in self._open else 0
            if len(run.text) > saved:
                pieces.append(RunText(run.id, saved, run.text[saved:]))
        return tuple(pieces)

    def saved(self, pieces: Iterable[RunText], now: float) -> None:
        """Note what the store has now; `follow` comes first."""
        for run_id, offset, text in pieces:
            progress = self._open[run_id]
            progress.saved, progress.saved_at = offset + len(text), now

    # --- silence ----------------------------------------------------------------------------------------------------------

    def overdue(self, now: float) -> list[Overdue]:
        """The runs whose agents were silent for too long."""
        return [
            Overdue(id, "timeout" if self._connected(progress.participant_id) else "interrupted")
            for id, progress in self._open.items()
            if self._ends(progress) <= now
        ]

    def overdue_at(self) -> float | None:
        """When the next run is overdue, or None."""
        at = min(map(self._ends, self._open.values()), default=NEVER)
        return None if at == NEVER else at

    def _ends(self, progress: Progress) -> float:
        silent = progress.heard_at + self._timeout
        if self._connected(progress.participant_id):
            return silent
        return min(silent, max(progress.heard_at, progress.lost_at) + self._grace)
