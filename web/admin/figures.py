"""The figures of the whole process, read from counters that it keeps anyway."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import trio

from ..socket import timestamp
from .inspection import depths, memory_bytes, node_name, quantiles

if TYPE_CHECKING:
    from ..http import Parts

logger = logging.getLogger(__name__)

FAILING = 60.0  # seconds for which the store counts as failing after an error


def health(parts: Parts) -> str:
    """The health of the process in one word."""
    if parts.stop.is_set():
        return "draining"
    return "healthy" if storage_status(parts) == "connected" else "degraded"


def storage_status(parts: Parts) -> str:
    """The status of the store: whether it had an error within the last minute."""
    failed = parts.directory.meter.store_failed_at
    return "error" if trio.current_time() - failed < FAILING else "connected"


def storage_fields(parts: Parts) -> dict[str, Any]:
    """The store in a few figures."""
    store = parts.directory.store
    statistics = store.statistics()
    return {
        "status": storage_status(parts),
        "durability": store.durability,
        "commits": statistics.commits,
        "records": statistics.records,
        "waiting": statistics.waiting,
    }


INTERVAL = 1.0  # seconds between two samples
SAMPLES = 600  # samples kept: the last ten minutes

COLUMNS = (
    "at",
    "messages",
    "events",
    "batches",
    "deliveries",
    "refusals",
    "commits",
    "records",
    "cpu_seconds",
    "memory_bytes",
    "connections",
    "conversations",
    "participants",
    "deepest",
    "waiting",
    "commit_p50",
    "commit_p99",
    "commit_max",
    "turn_p50",
    "turn_p99",
    "turn_max",
)
"""Of a sample. `at` is in milliseconds since the epoch; up to `cpu_seconds` they count from the start of the process; the
times are seconds, over the commits and turns since the sample before."""

Sample = tuple[float | None, ...]


class Figures:
    """The figures of the process since this object was made, at its start, and one sample a second for charts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started = time.monotonic()
        self._sampled = trio.lowlevel.ParkingLot()
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self.latest: dict[str, Any] = {}  # the figures of the last sample
        self.number = 0  # the number of the last sample
        self.listeners = 0  # the number of listeners that follow the feed

    async def record(self) -> None:
        """Take samples until the server drains. The drain, too, wakes the tasks that wait for a sample."""
        due = trio.current_time()
        while not self._parts.stop.is_set():
            try:
                before, self.latest = self.latest, await self.read()
                self._samples.append(self._sample(before or self.latest, self.latest))
                self.number += 1
                self._sampled.unpark_all()
            except Exception:
                logger.exception("a sample of the figures failed")  # the server goes on
            due = max(due + INTERVAL, trio.current_time())
            with trio.move_on_at(due):
                await self._parts.stop.wait()
        self.number += 1
        self._sampled.unpark_all()

    async def wait_sampled(self, number: int) -> None:
        """Wait until there is a sample after `number`, or until the server drains."""
        while self.number <= number:
            await self._sampled.park()

    def samples(self, after: int) -> list[Sample]:
        """The samples with a number above `after`, as far as they are kept."""
        count = min(self.number - after, len(self._samples))
        return list(islice(self._samples, len(self._samples) - count, None))

    def _sample(self, before: dict[str, Any], now: dict[str, Any]) -> Sample:
        directory = self._parts.directory
        storage, depths = now["storage"], now["queue_depths"]
        commits = storage["commits"] - before["storage"]["commits"]
        recent = [seconds for _, seconds in directory.store.statistics().recent]
        commit_times = quantiles(recent[-commits:] if commits else ())
        turns = now["batches"] - before["batches"]
        timed = directory.meter.turn_seconds
        turn_times = quantiles(islice(reversed(timed), turns))
        return (
            directory.sources.now(),
            now["messages"],
            now["events"],
            now["batches"],
            now["deliveries"],
            sum(now["refusals"].values()),
            storage["commits"],
            storage["records"],
            now["cpu_seconds"],
            now["memory_bytes"],
            now["connections"],
            now["conversations"],
            now["participants"],
            depths["deepest"],
            depths["total"],
            *(round(seconds, 6) if commits else None for seconds in commit_times.values()),
            *(round(seconds, 6) if turns else None for seconds in turn_times.values()),
        )

    async def read(self) -> dict[str, Any]:
        """All current figures."""
        directory, wire = self._parts.directory, self._parts.wire
        meter = directory.meter
        return {
            "node": node_name(directory) or "",  # null would mean in the feed that there is none
            "timestamp": timestamp(directory.sources.now()),
            "status": health(self._parts),
            "uptime": round(time.monotonic() - self._started, 3),
            "memory_bytes": memory_bytes(),
            "cpu_seconds": round(time.process_time(), 3),
            "connections": len(wire),
            "conversations": len(directory.conversations),
            "participants": len(directory.participants),
            "messages": meter.messages,
            "events": meter.events,
            "batches": meter.batches,
            "deliveries": meter.deliveries,
            "turns": directory.system.turns,
            "queue_depths": asdict(await depths(directory)),
            "storage": storage_fields(self._parts) | {"recent": self._recent_commits()},
            "refusals": dict(directory.refusals.counts),
            "activations": meter.activations,
            "passivations": meter.passivations,
            "restarts": meter.restarts,
            "crashes": directory.system.crashes,
            "store_errors": meter.store_errors,
            "turn_seconds": {
                name: round(seconds, 6) for name, seconds in quantiles(meter.turn_seconds).items()
            },
            "listeners": self.listeners,
        }

    def _recent_commits(self) -> dict[str, Any]:
        recent = self._parts.directory.store.statistics().recent
        return {
            "commits": len(recent),
            "seconds": quantiles(seconds for _, seconds in recent),
            "records": quantiles(records for records, _ in recent),
        }
