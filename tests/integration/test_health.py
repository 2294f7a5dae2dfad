"""Load balancers and monitoring see how a running server is, without any identity."""

from __future__ import annotations

import re

import httpx2
import trio

from salon.web.client import Client
from tests.server import ServerProcess, api


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


async def test_a_draining_server_is_not_ready(own_server: ServerProcess) -> None:
    """Asked on a connection that was open before, while a client that answers no close holds up the drain."""
    body = {"title": "Dinner"}
    created = await api(own_server, "POST", "/chat/create", "test_token_1", body)
    someone = Client(own_server.url, token="test_token_1")
    async with (
        someone.socket(created.json()["conversation_id"]),
        httpx2.AsyncClient(base_url=own_server.url, trust_env=False) as client,
    ):
        assert (await client.get("/ready")).status_code == 200
        own_server.terminate()
        with trio.fail_after(10):
            while (response := await client.get("/ready")).status_code == 200:
                pass

        assert response.status_code == 503
        assert (response.json()["code"], response.json()["temporary"]) == ("DRAINING", True)
        assert response.json()["retry_after"] > 0
        assert int(response.headers["Retry-After"]) >= 1
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/health/chat")).json()["status"] == "draining"
    assert await own_server.wait_exited() == 0
