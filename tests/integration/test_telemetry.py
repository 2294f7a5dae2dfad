"""Traces of a real server, as a real collector gets them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import trio

from tests.collector import Collector, Span, collecting
from tests.person import UPGRADE, guests
from tests.server import ServerProcess, api

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
UNTRACED = {"traceparent": f"00-{TRACE[::-1]}-{CALLER}-00"}
STEPS = ["wait in the mailbox", "decide and commit", "deliver"]


def of(spans: list[Span], trace: str) -> list[Span]:
    return [span for span in spans if span.trace == trace]


def below(spans: list[Span], parent: Span) -> list[Span]:
    found = [span for span in spans if span.parent == parent.id]
    return sorted(found, key=lambda span: span.begun)


async def wait(collector: Collector, wanted: Callable[[list[Span]], bool]) -> list[Span]:
    return await trio.to_thread.run_sync(collector.wait, wanted)


async def test_a_message_is_traced_from_its_request_to_its_delivery(
    start_server: Callable[..., ServerProcess],
) -> None:
    with collecting() as collector:
        server = start_server(TELEMETRY__OTLP_ENDPOINT=collector.url, TELEMETRY__SAMPLE="1")
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        # One by the lane before Hypercorn, one by Quart: a header of a browser's sends it there.
        for headers in (TRACED, TRACED | {"Origin": server.url}):
            content = {"content": "a word that nobody else may read"}
            path = f"/chat/{conversation_id}/messages"
            sent = await ada.call("POST", path, content, headers=headers)
            assert sent.status_code == 201
        async with bob.tab(conversation_id) as tab:
            await tab.say("over a socket", "k1")
        # A caller may say that it is not to be traced.
        await ada.call("POST", path, {"content": "not traced"}, headers=UNTRACED)
        assert (await bob.call("GET", "/chat/nowhere/messages", headers=TRACED)).status_code == 404

        def complete(spans: list[Span]) -> bool:
            turns = [span for span in spans if span.name == "turn"]
            socket = [span for span in turns if span.attributes["salon.last_sequence"] == 4]
            return len(of(spans, TRACE)) >= 11 and len(socket) > 0

        spans = await wait(collector, complete)
        traced = of(spans, TRACE)
        assert not of(spans, TRACE[::-1])
        requests = [span for span in traced if span.parent == CALLER]
        posts = [span for span in requests if span.name.startswith("POST ")]
        assert [span.name for span in posts] == ["POST /chat/<conversation_id>/messages"] * 2
        assert [span.attributes["http.response.status_code"] for span in posts] == [201, 201]
        for number, post in enumerate(sorted(posts, key=lambda span: span.begun)):
            (turn,) = below(traced, post)
            assert turn.name == "turn"
            assert turn.attributes["salon.conversation_id"] == conversation_id
            assert turn.attributes["salon.first_sequence"] == number + 2
            steps = below(traced, turn)
            assert [step.name for step in steps] == STEPS
            assert post.begun <= turn.begun <= turn.ended
            assert (steps[0].begun, steps[-1].ended) == (turn.begun, turn.ended)
            for one, other in pairwise(steps):
                assert one.ended == other.begun
        (refused,) = (span for span in requests if span.name.startswith("GET "))
        assert refused.attributes["http.response.status_code"] == 404
        assert not below(traced, refused)
        by_socket = [
            span
            for span in spans
            if span.name == "turn"
            and not span.parent
            and span.attributes["salon.last_sequence"] == 4
        ]
        assert len(by_socket) == 1
        assert [step.name for step in below(spans, by_socket[0])] == STEPS
        assert collector.resources[0]["service.name"] == "salon"
        assert server.stop() == 0
        for secret in (b"a word that nobody", b"over a socket", ada.token.encode(), b"Ada"):
            assert secret not in collector.bodies


async def test_a_handshake_and_a_refusal_are_traced_as_requests_are_whichever_lane_answers(
    start_server: Callable[..., ServerProcess],
) -> None:
    with collecting() as collector:
        server = start_server(TELEMETRY__OTLP_ENDPOINT=collector.url, TELEMETRY__SAMPLE="1")
        (ada,) = await guests(server, "Ada")
        conversation_id = await ada.create()
        socket = f"/chat/ws/{conversation_id}"
        unknown = {"Authorization": "Bearer nobodys"}
        for odd in ({}, {"Sec-WebSocket-Protocol": "x"}):  # the lane, and Quart
            headers = UPGRADE | TRACED | odd
            assert (await ada.call("GET", socket, headers=headers)).status_code == 101
            refused = await api(server, "GET", socket, headers=headers | unknown)
            assert refused.status_code == 401
            headers = UPGRADE | UNTRACED | odd
            assert (await ada.call("GET", socket, headers=headers)).status_code == 101
        for odd in ({}, {"X-Odd": "é"}):
            head = {
                name: value.encode("latin-1") for name, value in (TRACED | unknown | odd).items()
            }
            assert (await api(server, "GET", "/auth/me", headers=head)).status_code == 401

        spans = await wait(collector, lambda spans: len(of(spans, TRACE)) >= 6)
        traced = of(spans, TRACE)
        assert not of(spans, TRACE[::-1])
        assert {span.parent for span in traced} == {CALLER}
        route = "GET /chat/ws/<conversation_id>"
        said = [(span.name, span.attributes["http.response.status_code"]) for span in traced]
        expected = [(route, 101), (route, 401), ("GET /auth/me", 401)]
        assert sorted(said) == sorted(expected * 2)
        assert {span.attributes["http.route"] for span in traced} == {route[4:], "/auth/me"}
        assert server.stop() == 0
        assert ada.token.encode() not in collector.bodies


async def test_a_collector_that_is_not_there_costs_no_message_and_no_drain(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(TELEMETRY__OTLP_ENDPOINT="http://127.0.0.1:9", TELEMETRY__SAMPLE="1")
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    for number in range(20):
        await ada.say(conversation_id, f"{number}")
    assert len(await bob.history(conversation_id)) == 21
    assert server.stop() == 0


async def test_nothing_is_traced_where_nothing_is_to_be(
    start_server: Callable[..., ServerProcess],
) -> None:
    with collecting() as collector:
        server = start_server(TELEMETRY__OTLP_ENDPOINT=collector.url, TELEMETRY__SAMPLE="0")
        (ada,) = await guests(server, "Ada")
        conversation_id = await ada.create()
        path = f"/chat/{conversation_id}/messages"
        sent = await ada.call("POST", path, {"content": "Hello"}, headers=TRACED)
        assert sent.status_code == 201
        assert server.stop() == 0  # which sends what there is
        assert collector.spans == []


def test_without_a_collector_no_part_of_it_is_loaded() -> None:
    program = """
import sys
from salon.web import app, settings
assert settings.Settings().telemetry.otlp_endpoint is None
print([name for name in sys.modules if "telemetry" in name and "settings" not in name])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
