"""One reader's position in a conversation, with the check that each event is the next one and the same for all readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checker import Order, span, spans

if TYPE_CHECKING:
    from .transcript import Transcript


class Reader(Order):
    """Follows a conversation after `sequence`. `problems` are the anomalies of the events received, as (kind, text).

    Missing events are reported at the end: until then an event may still arrive late, or be missing for all readers.
    """

    def __init__(self, transcript: Transcript, sequence: int) -> None:
        super().__init__(sequence)
        self.transcript = transcript
        self.problems: list[tuple[str, str]] = []

    def event(self, sequence: int, raw: bytes, text: bytes) -> None:
        """Check an event that `Transcript.repeated` did not recognize. `raw` is its frame, `text` the payload."""
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
        """Continue after `sequence`: the server has said that the client has to page the events before it from the log."""
        self.sequence = max(self.sequence, sequence)

    def verdict(self) -> list[tuple[str, str]]:
        """All anomalies as (kind, text), once no more events will arrive."""
        found = list(self.problems)
        holes = self.transcript.holes  # no reader has them: reported once, for the conversation
        for first, last in spans(self.missing - holes):
            found.append(("lost", f"{span(first, last)}, which others have"))
        if self.sequence < self.transcript.last:
            found.append(("lost", f"{span(self.sequence + 1, self.transcript.last)}, the end"))
        return found

    def _wrong(self, kind: str, text: str) -> None:
        self.problems.append((kind, text))
