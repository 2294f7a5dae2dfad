"""More than can be served, against a real server: what is accepted is stored, who obeys gets in, the neighbours are served.

`make prove` runs it with SALON_TEST_NEIGHBOURS=1000. What a mailbox does at ten times its capacity is held to figures in
virtual time, where no other work disturbs them: tests/unit/test_overload.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

from tests.server import ServerProcess

NEIGHBOURS = int(os.environ.get("SALON_TEST_NEIGHBOURS", "200"))
MEMORY = (
    64 * 2**20
)  # bytes that the server may grow by: the messages, their keys and the log's cache


def load(scenario: str, server: ServerProcess, *options: str) -> dict[str, Any]:
    """The figures of `salon load`; everything it sees is well."""
    command = [sys.executable, "-m", "salon.web.cli", "load", scenario, "--json", *options]
    command += ["--url", server.url, "--server-pid", f"{server.pid}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    assert figures["accepted"] == figures["stored"] > 0
    assert figures["wrong"] == {}
    return figures


@pytest.mark.timeout(240)
async def test_in_a_burst_of_ten_times_the_rate_all_who_obey_are_in_at_their_first_retry(
    start_server: Callable[..., ServerProcess], tell: Callable[[str], None]
) -> None:
    server = start_server(LIMITS__MESSAGE_RATE="5", LIMITS__MESSAGE_BURST="5")
    burst = ["--rate", "100", "--set", "burst_factor=20", "--set", "burst_from=1"]
    options = [*burst, "--set", "burst_until=2", "--seconds", "5"]
    figures = await trio.to_thread.run_sync(partial(load, "overload", server, *options))
    assert figures["sent"] == figures["stored"], "in the end all of it is said"
    assert set(figures["refused"]) == {"RATE_LIMITED"}
    assert figures["put_off"] > 1000
    assert figures["first_retry"] >= 0.99 * figures["put_off"]
    grown = figures["server_memory"] - figures["memory_before"]
    assert grown < MEMORY
    tell(
        f"ten times the rate: {figures['put_off']} refused, {figures['first_retry']} of them in at "
        f"their first retry; memory {grown / 1e6:+.0f} MB"
    )


@pytest.mark.timeout(240)
async def test_a_noisy_conversation_takes_nothing_from_its_neighbours(
    start_server: Callable[..., ServerProcess], tell: Callable[[str], None]
) -> None:
    server = start_server()
    rooms = NEIGHBOURS // 4
    quiet = ["--rooms", f"{rooms}", "--rate", f"{rooms}", "--seconds", "3"]
    noisy = ["--readers", "10", "--senders", "10", "--rate", "2000", "--seconds", "6"]
    without = await trio.to_thread.run_sync(partial(load, "rooms", server, *quiet))
    beside: list[dict[str, Any]] = []

    async def neighbours() -> None:
        beside.append(await trio.to_thread.run_sync(partial(load, "rooms", server, *quiet)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(neighbours)
        noise = await trio.to_thread.run_sync(partial(load, "fanout", server, *noisy))
    assert beside[0]["receipts"] == without["receipts"], "all that was due was said and stored"
    tell(
        f"p99 of a delivery to {without['people']} people: {without['delivery_ms']['p99']:.1f} ms; "
        f"beside a conversation of 10 with {noise['receipts'] / noise['seconds']:.0f} messages a second: "
        f"{beside[0]['delivery_ms']['p99']:.1f} ms"
    )
