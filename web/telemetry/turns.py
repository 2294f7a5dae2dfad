"""Makes spans of what the mailbox recorders remember anyway, so that the engine does nothing more when it is traced.

A request that is traced looks for the turn that took its command. Besides, once a second, the turns since the last look are
traced by chance: those of WebSockets too.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import trio
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span

    from salon.actors.directory import Directory
    from salon.actors.recorder import Recorder, Trace

    from ..settings import TelemetrySettings

INTERVAL = 1.0  # seconds between two looks at the recorders
EXPORT = 5.0  # seconds that a collector has for a batch
FLUSH = 3.0  # seconds that the last batch has at the end
WAITING = 1_000  # traced requests whose turn is not over yet
LATE = 10.0  # seconds after which a request's turn is not looked for any more
SECOND = 1_000_000_000  # nanoseconds
# From one time of a turn to the next: its place among the times, and what happens until then.
STEPS = ((0, "wait in the mailbox"), (1, "decide and commit"), (2, "deliver"))

logger = logging.getLogger(__name__)


class Waiting(NamedTuple):
    """A request that is over before its turn is."""

    span: Span
    conversation_id: str
    sequence: int
    until: float


class TurnTracing:
    """The spans of one server."""

    def __init__(self, provider: TracerProvider, directory: Directory) -> None:
        self._provider = provider
        self._directory = directory
        self.tracer = provider.get_tracer("salon")
        self._epoch = time.time_ns() - round(trio.current_time() * SECOND)
        self._seen: dict[str, float] = {}  # of each active conversation: when its last turn began
        self._waiting: deque[Waiting] = deque(maxlen=WAITING)

    async def run(self) -> None:
        """Trace turns until cancelled, then send what is left, as far as the collector takes it."""
        try:
            while True:
                await trio.sleep(INTERVAL)
                try:
                    self._look()
                except Exception:
                    logger.exception("turns were not traced")  # the server goes on
        finally:
            with trio.move_on_after(FLUSH, shield=True):
                self._look()
                await trio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)

    def now(self) -> int:
        """The time in nanoseconds since the epoch, on the clock of the turns."""
        return self._wall(trio.current_time())

    def follow(self, span: Span, conversation_id: str, sequence: int) -> None:
        """Trace the turn that took a request's command, as a part of the request; later if it still delivers."""
        found = self._turn(conversation_id, sequence)
        if found is None:
            until = trio.current_time() + LATE
            self._waiting.append(Waiting(span, conversation_id, sequence, until))
        else:
            self._add(conversation_id, found, trace.set_span_in_context(span))

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, deque(maxlen=WAITING)
        for each in waiting:
            found = self._turn(each.conversation_id, each.sequence)
            if found is not None:
                self._add(each.conversation_id, found, trace.set_span_in_context(each.span))
            elif each.until > trio.current_time():
                self._waiting.append(each)
        seen = {}
        for conversation_id, actor in self._directory.conversations.items():
            last = self._seen.get(conversation_id, 0.0)
            for turn in _since(actor.recorder, last):
                self._add(conversation_id, turn, Context())
            traces = actor.recorder.traces
            seen[conversation_id] = traces[-1].begun_at if traces else last
        self._seen = seen

    def _turn(self, conversation_id: str, sequence: int) -> Trace | None:
        actor = self._directory.conversations.get(conversation_id)
        traces = actor.recorder.traces if actor is not None else ()
        for each in reversed(traces):
            if each.first_sequence <= sequence <= each.last_sequence:
                return each
        return None

    def _add(self, conversation_id: str, turn: Trace, parent: Context) -> None:
        """The spans of a turn: the time that its oldest command has waited, its commit, its delivery."""
        times = (turn.enqueued_at, turn.begun_at, turn.committed_at, turn.delivered_at)
        attributes: dict[str, Any] = {
            "salon.conversation_id": conversation_id,
            "salon.commands": turn.size,
            "salon.refused": turn.refused,
            "salon.first_sequence": turn.first_sequence,
            "salon.last_sequence": turn.last_sequence,
        }
        begin = partial(self.tracer.start_span, start_time=self._wall(times[0]))
        span = begin("turn", parent, attributes=attributes)
        if span.is_recording():
            within = trace.set_span_in_context(span)
            for place, name in STEPS:
                step = self.tracer.start_span(name, within, start_time=self._wall(times[place]))
                step.end(self._wall(times[place + 1]))
        span.end(self._wall(times[3]))

    def _wall(self, at: float) -> int:
        return self._epoch + round(at * SECOND)


def _since(recorder: Recorder, last: float) -> Iterator[Trace]:
    for each in recorder.traces:
        if each.begun_at > last:
            yield each


def open_turns(settings: TelemetrySettings, directory: Directory) -> TurnTracing:
    """Traces to the collector of the settings. What it does not take is dropped: a collector never slows a message."""
    try:
        salon_version = version("salon")
    except PackageNotFoundError:
        salon_version = "unknown"
    ratio = TraceIdRatioBased(settings.sample)
    provider = TracerProvider(
        # Whoever calls may say that a request is not to be traced, but not that it is: that would cost more.
        sampler=ParentBased(
            ratio, remote_parent_sampled=ratio, remote_parent_not_sampled=ALWAYS_OFF
        ),
        resource=Resource.create({"service.name": "salon", "service.version": salon_version}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint}/v1/traces", timeout=EXPORT)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    logger.info("traces go to %s", settings.otlp_endpoint)
    return TurnTracing(provider, directory)
