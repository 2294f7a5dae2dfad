"""More text of open runs: by far the most frequent command, decided without a turn, since it makes no event and no commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import rules, run_rules
from .refusals import Refusal
from .run_messages import ExtendRun, RunExtended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .limits import Limits
    from .mailbox import Letter
    from .model import Durability, State


def extended(
    state: State, letters: Sequence[Letter], limits: Limits, durability: Durability
) -> tuple[State, list[tuple[Letter, RunExtended]]] | None:
    """The state after these letters, all of them text of runs or its timers, and the receipts.

    None where a turn must decide: something is to be refused, or a sender must be introduced first.
    """
    draft, receipts = state, []
    for letter in letters:
        command = letter.message
        if type(command) is not ExtendRun:
            continue
        if rules.introduce(state, command.sender, 0) is not None:
            return None
        if draft is state:
            draft = state.draft()
            draft.runs = state.runs.copy()
        run = run_rules.extend(draft, command, 0, limits)
        if isinstance(run, Refusal):
            return None
        duplicate = run is draft.runs[run.id]
        draft.runs[run.id] = run
        place = run.sequence, run.started_at
        receipt = RunExtended(
            state.id, run.id, "open", len(run.text), *place, durability, duplicate=duplicate
        )
        receipts.append((letter, receipt))
    return draft, receipts
