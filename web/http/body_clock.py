"""How long the body of a request may take."""

from __future__ import annotations

BODY_RATE = 4096  # minimum bytes a second of a request body: half the slowest mobile network's rate


class BodyClock:
    """The deadline for the next bytes of a request body.

    No pause may be longer than `grace` seconds. The whole body may take `grace` seconds plus its size divided by `BODY_RATE`.
    The size is that of the bytes received, not the announced one: otherwise a client that announces a large body and sends
    nothing would be waited for too long.
    """

    def __init__(self, begun: float, grace: float) -> None:
        self.begun = begun
        self.deadline = begun + grace
        self.answering = False  # an answer, or a part of it, was sent before the body was complete
        self._grace = grace

    def wait(self, seconds: float) -> None:
        """Record that nothing was read for so long: that is not the client's time."""
        self.begun += seconds
        self.deadline += seconds

    def has(self, size: int, now: float) -> None:
        """Record that bytes have arrived; `size` is the total so far."""
        self.deadline = self._grace + min(self.begun + size / BODY_RATE, now)
