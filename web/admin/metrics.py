"""The metrics for Prometheus: counters that are kept anyway, read only on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

from ..agents import MILLION
from ..moderation import Desk
from .figures import storage_status
from .inspection import depths, quantiles
from .node_figures import node_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from .inspection import Depths
    from .parts import AdminParts

PROCESS = ProcessCollector(registry=None)  # processor time, memory, open files


async def metrics_text(parts: AdminParts) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(PROCESS)
    registry.register(EngineCollector(parts, await depths(parts.directory)))
    return generate_latest(registry)


class EngineCollector(Collector):
    """One reading of the engine. It has no labels for conversations or people; /admin shows those."""

    def __init__(self, parts: AdminParts, waiting: Depths) -> None:
        self._parts = parts
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        yield from self._counters()
        yield from self._gauges()
        yield from self._commits()
        yield from self._files()
        yield from self._moderation()
        yield from self._webhooks()
        yield from node_metrics(self._parts)

    def _counters(self) -> Iterator[Metric]:
        directory = self._parts.directory
        meter, statistics = directory.meter, directory.store.statistics()
        for name, text, value in (
            ("messages", "Messages committed and delivered.", meter.messages),
            ("events", "Events of all kinds, committed and delivered.", meter.events),
            ("batches", "Turns that recorded anything.", meter.batches),
            ("deliveries", "Events, each counted once a connection.", meter.deliveries),
            ("turns", "Turns of all actors, counted for each step.", directory.system.turns),
            ("actor_crashes", "Turns that raised.", directory.system.crashes),
            ("actor_restarts", "Actors lost to a crash.", meter.restarts),
            ("activations", "Conversations activated.", meter.activations),
            ("passivations", "Actors passivated.", meter.passivations),
            ("store_errors", "Failed operations of the store.", meter.store_errors),
            (
                "deltas",
                "Pieces of agents' answers, each counted once for all readers.",
                meter.deltas,
            ),
            ("store_commits", "Transactions committed.", statistics.commits),
            ("store_records", "Events stored.", statistics.records),
        ):
            yield CounterMetricFamily(f"salon_{name}", text, value=value)
        runs = CounterMetricFamily("salon_runs", "Answers of agents that ended.", labels=["status"])
        for status, count in sorted(meter.runs.items()):
            runs.add_metric([status], count)
        yield runs
        yield from self._agents()
        refusals = CounterMetricFamily("salon_refusals", "Refusals by code.", labels=["code"])
        for code, count in sorted(directory.refusals.counts.items()):
            refusals.add_metric([str(code)], count)
        yield refusals
        wrong = CounterMetricFamily(
            "salon_wrong_tokens", "Tokens that were refused, by reason.", labels=["reason"]
        )
        for reason, count in sorted(self._parts.identities.wrong.counts.items()):
            wrong.add_metric([reason], count)
        yield wrong

    def _agents(self) -> Iterator[Metric]:
        """What hosted agents have used since the start; there are few of them, and none that people make."""
        tokens = CounterMetricFamily(
            "salon_agent_tokens", "Tokens that hosted agents have used.", labels=["agent", "kind"]
        )
        cost = CounterMetricFamily(
            "salon_agent_cost", "Money, in the currency of the agent's price.", labels=["agent"]
        )
        waits = SummaryMetricFamily(
            "salon_agent_first_word_seconds", "Time to the first word.", labels=["agent"]
        )
        busy = GaugeMetricFamily("salon_agent_running", "Answers being made.", labels=["agent"])
        for agent in self._parts.agents:
            id, meter = agent.settings.id, agent.meter
            tokens.add_metric([id, "input"], meter.input_tokens)
            tokens.add_metric([id, "output"], meter.output_tokens)
            cost.add_metric([id], meter.cost / MILLION)
            waits.add_metric([id], meter.first_words, meter.first_word_seconds)
            busy.add_metric([id], agent.running)
        yield from (tokens, cost, waits, busy)

    def _gauges(self) -> Iterator[Metric]:
        directory, waiting = self._parts.directory, self._waiting
        connected = storage_status(self._parts) == "connected"
        for name, text, value in (
            ("ready", "1 from the start to the drain.", int(self._parts.ready)),
            ("connections", "Open WebSockets and streams of events.", len(self._parts.wire)),
            ("event_streams", "Open streams of events.", self._streams()),
            ("conversations", "Active conversations.", len(directory.conversations)),
            ("open_runs", "Answers of agents in the making.", self._open_runs()),
            ("participants", "Active participants.", len(directory.participants)),
            ("mailbox_deepest", "Commands in the fullest mailbox.", waiting.deepest),
            ("mailbox_waiting", "Commands in all mailboxes.", waiting.total),
            ("mailbox_limit", "Commands that one mailbox holds; 0 for no limit.", waiting.limit),
            ("store_connected", "0 for a minute after an error of the store.", int(connected)),
            ("store_waiting", "Appends not committed.", directory.store.statistics().waiting),
        ):
            yield GaugeMetricFamily(f"salon_{name}", text, value=value)

    def _files(self) -> Iterator[Metric]:
        """The files of messages, since the start; a simulation has none."""
        shelf = self._parts.files
        if shelf is None:
            return
        for name, text, value in (
            ("files", "Files uploaded.", shelf.taken),
            ("file_bytes", "Bytes of the files uploaded.", shelf.bytes_taken),
            ("file_contents_removed", "Contents removed with their last file.", shelf.removed),
        ):
            yield CounterMetricFamily(f"salon_{name}", text, value=value)
        yield GaugeMetricFamily("salon_uploads", "Files on their way in.", value=shelf.uploads)

    def _moderation(self) -> Iterator[Metric]:
        """What the hook before a message is stored has said since the start; nothing without one."""
        desk = self._parts.directory.moderator
        if not isinstance(desk, Desk):
            return
        verdicts = CounterMetricFamily(
            "salon_moderation", "Messages and edits that were judged.", labels=["verdict"]
        )
        for verdict, count in desk.counts.items():
            verdicts.add_metric([verdict], count)
        yield verdicts
        text = "1 while the endpoint that judges messages is left alone because it fails."
        is_open = int(desk.breaker not in (None, "closed"))
        yield GaugeMetricFamily("salon_moderation_breaker_open", text, value=is_open)

    def _streams(self) -> int:
        return sum(connection.protocol == "events" for connection in self._parts.wire)

    def _webhooks(self) -> Iterator[Metric]:
        """Who is told of events over HTTP, since the start; nothing without any."""
        states = GaugeMetricFamily("salon_webhooks", "Webhooks by state.", labels=["state"])
        lag = GaugeMetricFamily(
            "salon_webhook_lag", "Places of the log that are not delivered.", labels=["webhook"]
        )
        sent = CounterMetricFamily(
            "salon_webhook_deliveries", "Attempts to deliver.", labels=["webhook", "outcome"]
        )
        rows = self._parts.webhooks.figures()
        for state in ("active", "failing", "paused"):
            states.add_metric([state], sum(row.state == state for row in rows))
        for row in rows:
            lag.add_metric([row.webhook_id], row.lag)
            sent.add_metric([row.webhook_id, "taken"], row.delivered)
            sent.add_metric([row.webhook_id, "failed"], row.failed)
        if rows:
            yield from (states, lag, sent)

    def _open_runs(self) -> int:
        return sum(len(actor.agents.runs) for actor in self._parts.directory.conversations.values())

    def _commits(self) -> Iterator[Metric]:
        """Quantiles over the recent commits that the store keeps; they need no counter."""
        recent = self._parts.directory.store.statistics().recent
        for name, text, values in (
            ("commit_seconds", "Time of the recent commits.", [seconds for _, seconds in recent]),
            ("commit_records", "Events in the recent commits.", [count for count, _ in recent]),
        ):
            family = GaugeMetricFamily(f"salon_store_{name}", text, labels=["quantile"])
            for quantile, value in zip(
                ("0.5", "0.99", "1"), quantiles(values).values(), strict=True
            ):
                family.add_metric([quantile], value)
            yield family
