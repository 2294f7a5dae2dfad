"""One reader's place in a conversation: is each event the next one, and the same as the others were sent?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checker import Order, span, spans

if TYPE_CHECKING:
    from .transcript import Transcript


class Reader(Order):
    """Follows a conversation after `sequence`. `problems` are (kind, text) of what was wrong with what it was sent.

    What is missing is named at the end: by then it has come late, or others have it, or nobody has.
    """

    def __init__(self, transcript: Transcript, sequence: int) -> None:
        super().__init__(sequence)
        self.transcript = transcript
        self.problems: list[tuple[str, str]] = []

    def event(self, sequence: int, raw: bytes, text: bytes) -> None:
        """Take an event that was not found by `Transcript.repeated`."""
        before = self.sequence
        match self.step(sequence):
            case "garbage":
                self._wrong("gap", f"sequence {sequence} after {before}")
                return
            case "reordered":
                self._wrong("reordered", f"sequence {sequence} came after {before}")
            case "duplicate":
                self._wrong("duplicate", f"sequence {sequence} again, after {before}")
        if not self.transcript.put(sequence, raw, text):
            self._wrong("disagree", f"sequence {sequence} is not what another reader was sent")

    def skip(self, sequence: int) -> None:
        """Go on after this one: the server has said that what is between has to be paged back."""
        self.sequence = max(self.sequence, sequence)

    def verdict(self) -> list[tuple[str, str]]:
        """Everything that was wrong, once nothing more is to come."""
        found = list(self.problems)
        holes = self.transcript.holes  # nobody has them: told once, of the conversation
        for first, last in spans(self.missing - holes):
            found.append(("lost", f"{span(first, last)}, which others have"))
        if self.sequence < self.transcript.last:
            found.append(("lost", f"{span(self.sequence + 1, self.transcript.last)}, the end"))
        return found

    def _wrong(self, kind: str, text: str) -> None:
        self.problems.append((kind, text))
