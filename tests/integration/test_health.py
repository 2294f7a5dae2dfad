"""Load balancers and monitoring see how a running server is, without any identity."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx2
import trio

from tests.patience import PATIENCE
from tests.person import guests
from tests.server import ServerProcess, api
from tests.traffic import deaf


async def test_a_running_server_is_alive_and_ready(server: ServerProcess) -> None:
    for path in ("/health", "/ready"):
        response = await api(server, "GET", path)
        assert response.status_code == 200
        assert response.json()["status"] == "ok"
        assert response.json()["version"]


async def test_the_state_of_the_chat_has_no_ids(server: ServerProcess) -> None:
    created = await api(server, "POST", "/chat/create", "test_token_1", {"title": "Dinner"})
    response = await api(server, "GET", "/health/chat")

    state = response.json()

    assert state["status"] == "healthy"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", state["timestamp"])
    assert state["conversations"] >= 1
    assert state["participants"] >= 1
    assert state["connections"] >= 0
    assert state["queue_depths"] == {"deepest": 0, "total": 0, "limit": 1000}
    storage = state["storage"]
    assert (storage["status"], storage["durability"]) == ("connected", "committed")
    assert storage["commits"] >= 1
    for name in (created.json()["conversation_id"], "test_user_1", "Dinner"):
        assert name not in response.text


async def test_prometheus_reads_the_counters(own_server: ServerProcess) -> None:
    created = await api(own_server, "POST", "/chat/create", "test_token_1", {"title": "Dinner"})
    conversation_id = created.json()["conversation_id"]
    for content in ("Hello", "x" * 10_001):
        path = f"/chat/{conversation_id}/messages"
        await api(own_server, "POST", path, "test_token_1", {"content": content})

    response = await api(own_server, "GET", "/metrics")

    assert response.headers["Content-Type"].startswith("text/plain; version=")
    lines = response.text.splitlines()
    assert "salon_messages_total 1.0" in lines
    assert "salon_events_total 2.0" in lines
    assert "salon_store_records_total 2.0" in lines
    assert 'salon_refusals_total{code="MESSAGE_TOO_LARGE"} 1.0' in lines
    assert "salon_conversations 1.0" in lines
    assert "salon_ready 1.0" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert any(line.startswith("process_open_fds ") for line in lines)
    for name in (conversation_id, "test_user_1"):
        assert name not in response.text


async def test_a_draining_server_is_not_ready(
    start_server: Callable[..., ServerProcess],
) -> None:
    """Asked on a connection that was open before, while a reader that never reads holds up the drain until it goes."""
    server = start_server(LIMITS__DRAIN_TIMEOUT=f"{PATIENCE}")
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create()
    async with (
        deaf(ada, conversation_id),
        httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as client,
    ):
        for number in range(12):
            await ada.say(conversation_id, f"{number}".ljust(9_000))
        assert (await client.get("/ready")).status_code == 200
        server.terminate()
        with trio.fail_after(PATIENCE):
            while (response := await client.get("/ready")).status_code == 200:
                pass

        assert response.status_code == 503
        assert (response.json()["code"], response.json()["temporary"]) == ("DRAINING", True)
        assert response.json()["retry_after"] > 0
        assert int(response.headers["Retry-After"]) >= 1
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/health/chat")).json()["status"] == "draining"
    assert await server.wait_exited() == 0
