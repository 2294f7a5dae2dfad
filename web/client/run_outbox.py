"""One run of an agent as the server must have it, without I/O: its text, its end, and what it waits for."""

from __future__ import annotations

import math
from typing import Any
from uuid import uuid4

import anyio

from .rules import Frame, Refused, given

DELTA_EVERY = 0.05  # seconds between two deltas: the server sends no more to its readers
PIECE = 8_192  # code points of one delta: a frame is at most 131,072 bytes by default
AGAIN = frozenset(
    {"RUN_ENDED", "RUN_NOT_FOUND"}
)  # refusals after which the server is asked where the run is
# Refusals about a run that this agent cannot end either
NOT_ONES_OWN = frozenset({"FORBIDDEN", "NOT_PARTICIPANT", "KEY_REUSED"})


class Approval:
    """A tool call that waits for a person's decision; `approved` is true once it is allowed."""

    def __init__(self, tool: str, arguments: Frame) -> None:
        self.id = uuid4().hex
        about = {"approval_id": self.id, "tool": tool, "arguments": arguments}
        self.frame: Frame = {"state": "waiting_for_approval", "label": tool, "approval": about}
        self.approved = False
        self.over = anyio.Event()


class RunOutbox:
    """One run as the server must have it, without I/O: which frames are due. Lengths are code points, times are seconds.

    On each connection the run is started again: the answer says how much of the text is there, and the rest follows.
    """

    def __init__(self, run_id: str, reply_to: str | None) -> None:
        self.run_id = run_id
        self.text = ""
        self.result: Frame | None = None  # the `run_ack` of the end
        self.error: Exception | None = None
        self.cancelled = False
        self.over = anyio.Event()
        self._reply_to = reply_to
        self._status: Frame | None = None
        self.asked: Approval | None = None  # the call that waits for a person
        self._end: Frame | None = None
        self._place: str = "unsent"  # then "asked", then "open"
        # The run's text on the server before this object's: another process of the agent has said it.
        self._base = 0
        self._begun = False
        self._sent = 0  # of the text, on this connection
        self._most = 0  # of the text, ever
        self._sent_at = -math.inf
        self._end_sent = False
        self._paused_until = -math.inf

    @property
    def ending(self) -> bool:
        """Whether the end was asked for here."""
        return self._end is not None

    def say(self, text: str) -> None:
        """Add to the text. Half a surrogate pair is no character: it becomes U+FFFD."""
        self.text += text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._ask_again()  # for the server, an agent that speaks waits for nobody

    def show(self, state: str, label: str | None) -> None:
        """Show what the run is doing."""
        self._status = {"state": state, **given(label=label)}

    def ask(self, tool: str, arguments: Frame) -> Approval:
        """Ask people to allow a tool call; it is asked again on each connection until it is decided or taken back."""
        self.asked = approval = Approval(tool, arguments)
        self._ask_again()
        return approval

    def take_back(self, approval: Approval) -> None:
        """Ask no more."""
        if self.asked is approval:
            self.asked = None
            self._status = {"state": "thinking"}
            approval.over.set()

    def decided(self, frame: Frame) -> None:
        """Handle a person's decision."""
        approval = self.asked
        if approval is not None and approval.id == frame["approval_id"]:
            self.asked = None
            approval.approved = frame["approved"]
            approval.over.set()

    def _ask_again(self) -> None:
        if self.asked is not None:
            self._status = self.asked.frame

    def end(self, **fields: Any) -> None:
        """End the run once the server has all of its text; only the first end counts."""
        self._end = self._end or given(**fields)

    def frames(self, now: float) -> list[Frame]:
        """The frames to write now; they count as written."""
        if self.over.is_set() or now < self._paused_until or self._place == "asked":
            return []
        about: Frame = {"run_id": self.run_id}
        if self._place == "unsent":
            self._place = "asked"
            return [{"type": "run_start", **about, **given(reply_to=self._reply_to)}]
        frames: list[Frame] = []
        at_once = self._end is not None or self._status is not None
        if self.error is None and (at_once or now >= self._sent_at + DELTA_EVERY):
            while self._sent < len(self.text):
                text = self.text[self._sent : self._sent + PIECE]
                offset = self._base + self._sent
                frames.append({"type": "delta", **about, "offset": offset, "text": text})
                self._sent += len(text)
                self._sent_at = now
            self._most = max(self._most, self._sent)
        if self._status is not None:  # after the text: what is said later ends it
            frames.append({"type": "run_status", **about, **self._status})
            self._status = None
        if self._end is not None and not self._end_sent:
            whole = {"offset": self._base + len(self.text)} if self.error is None else {}
            frames.append({"type": "run_end", **about, **whole, **self._end})
            self._end_sent = True
        return frames

    def delay(self, now: float) -> float:
        """Seconds until `frames` gives more without other events; infinite if it does not."""
        if self.over.is_set() or self._place == "asked":
            return math.inf
        wait = max(0.0, self._paused_until - now)
        ending = self._end is not None and not self._end_sent
        if self._place == "unsent" or self._status is not None or ending:
            return wait
        if self._sent < len(self.text) and self.error is None:
            return max(wait, self._sent_at + DELTA_EVERY - now)
        return math.inf

    def rewind(self) -> None:
        """Begin on a new connection."""
        self._place = "unsent"
        self._ask_again()

    def cancel(self) -> None:
        """Handle that the run was ended by others: the server is asked for its end."""
        self.cancelled = True
        self._place = "unsent"

    def acknowledge(self, frame: Frame) -> None:
        """Handle the server's word of where the run is."""
        if frame["status"] != "open":
            self.result = frame
            self.over.set()
        elif self._place == "asked":
            self._place = "open"
            self._end_sent = False
            if not self._begun:  # nothing of this object's can be there yet
                self._begun, self._base = True, frame["offset"]
            self._go_on_from(frame["offset"])

    def refuse(self, refused: Refused, now: float, delay: float) -> None:
        """Handle a refusal of one of the frames: go on elsewhere, wait for `delay` seconds, or fail."""
        if self.error is not None:  # the end that was asked for after a failure is refused, too
            self.over.set()
        elif refused.code == "OFFSET_MISMATCH":
            expected = int(refused.details["expected_offset"])
            if expected > self._base + self._most:
                self.fail(refused)  # another process of this agent speaks in the run
            else:
                self._go_on_from(expected)
        elif refused.temporary or refused.code in AGAIN:
            self._place = "unsent"
            if refused.temporary:
                self._paused_until = now + delay
        elif self._place == "open" and refused.code not in NOT_ONES_OWN:
            self._give_up(refused)
        else:
            self.fail(refused)

    def fail(self, error: Exception) -> None:
        """Fail the run for good; no effect if it is over."""
        if not self.over.is_set():
            self.error = error
            self.over.set()

    def _give_up(self, error: Exception) -> None:
        """End the run with what the server has of it: it takes no more."""
        self.error = error
        self._end, self._end_sent, self._status = {"status": "interrupted"}, False, None

    def _go_on_from(self, offset: int) -> None:
        self._base = min(self._base, offset)
        self._sent = min(offset - self._base, len(self.text))
        self._end_sent = False
