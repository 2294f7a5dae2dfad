"""What the whole process has done and holds, read from the counters that it keeps anyway."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import trio

from .codec import timestamp
from .inspection import depths, memory_bytes, quantiles

if TYPE_CHECKING:
    from .exchange import Parts

FAILING = 60.0  # seconds for which the store is called failing after an error


def health(parts: Parts) -> str:
    """The one word for it."""
    if parts.stop.is_set():
        return "draining"
    return "healthy" if storage_status(parts) == "connected" else "degraded"


def storage_status(parts: Parts) -> str:
    """Whether the store has done all it was asked to within the last minute."""
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


class Figures:
    """The figures of the process since this was made, at its start."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started = time.monotonic()

    async def read(self) -> dict[str, Any]:
        """All of them, now."""
        directory, wire = self._parts.directory, self._parts.wire
        meter = directory.meter
        return {
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
        }

    def _recent_commits(self) -> dict[str, Any]:
        recent = self._parts.directory.store.statistics().recent
        return {
            "commits": len(recent),
            "seconds": quantiles(seconds for _, seconds in recent),
            "records": quantiles(records for records, _ in recent),
        }
