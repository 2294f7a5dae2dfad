"""Agents whose words come from an NLWeb server: a real HTTP server that speaks all its dialects and misbehaves on demand."""

from __future__ import annotations

import gc
import json
import logging
from typing import Any

import pytest
import trio

from salon.web.agents import Activity, Prompt, Results, UpstreamError, open_upstream
from salon.web.agents.retrying import retried
from salon.web.client import Client, Frame, Socket
from salon.web.settings import AgentSettings, SettingsError, load
from tests.inside import TOKEN, serving
from tests.nlweb import FOUND, SUMMARY, NLWebServer, nlweb
from tests.patience import PATIENCE

KEY = "very-secret"
SECRET = "no secrets please"  # what a server says of a failure
WIRES = [None, "0.54"]
CONNECTIONS = 100  # that the library has at most


def hosted(how: str, server: NLWebServer, **more: Any) -> dict[str, Any]:
    fields = {
        "id": "finder",
        "name": "Finder",
        "kind": "nlweb",
        "endpoint": f"{server.url}/{how}",
        "default": True,
    }
    return {**fields, **more}


def prompt(asked: str = "What is for dinner?", **more: Any) -> Prompt:
    return Prompt("", (), asked, 1, **more)


class Heard:
    """All that an upstream has said."""

    def __init__(self) -> None:
        self.text = ""
        self.labels: list[str | None] = []
        self.results: list[dict[str, Any]] = []
        self.error = ""
        self.retry_after: float | None = None

    async def listen(self, agent: dict[str, Any], what: Prompt) -> None:
        upstream = open_upstream(AgentSettings.model_validate(agent))
        try:
            async for piece in retried(lambda: upstream.stream(what)):
                match piece:
                    case str():
                        self.text += piece
                    case Activity():
                        self.labels.append(piece.label)
                    case Results():
                        self.results += piece.items
        except UpstreamError as error:
            self.error, self.retry_after = str(error), error.retry_after
        finally:
            await upstream.close()


async def heard(how: str, what: Prompt | None = None, **more: Any) -> tuple[Heard, NLWebServer]:
    """What an agent says when the server behaves as `how` says, and the server."""
    it = Heard()
    async with nlweb() as server:
        with trio.fail_after(PATIENCE):
            await it.listen(hosted(how, server, **more), what or prompt())
    return it, server


@pytest.mark.parametrize(
    "how", ["classic", "newer", "0.54", "0.55", "app", "drips", "mislabelled", "stays-open"]
)
@pytest.mark.parametrize("api_version", WIRES)
async def test_the_answer_is_text_and_results_in_every_dialect(
    how: str, api_version: str | None
) -> None:
    it, _ = await heard(how, api_version=api_version)
    assert (it.text, it.results, it.error) == (SUMMARY, FOUND, "")
    assert "Understood as: fish" in it.labels
    assert it.labels[-1] == "3 results"
    gc.collect()  # whatever was left open is found, and fails the test


@pytest.mark.parametrize("how", ["json", "json-messages", "json-content", "json-0.54", "zipped"])
async def test_an_answer_that_is_no_stream_is_the_same_answer(how: str) -> None:
    it, _ = await heard(how)
    assert (it.text, it.results, it.error) == (SUMMARY, FOUND, "")


async def test_what_it_does_is_told_as_it_happens() -> None:
    it, _ = await heard("classic")
    labels = ["Asking Food, Drinks", "Understood as: fish", "2 results", "3 results"]
    assert it.labels == labels


@pytest.mark.parametrize(
    ("how", "text", "results"),
    [
        ("list", "3 results.", 3),
        ("nothing", "No results.", 0),
        ("done", SUMMARY, 0),
        ("generated", SUMMARY, 2),
        ("asks", "For how many?", 0),
        ("elicits", "I need to know more.\n- How many?\n- Hot? (yes / no)", 0),
        ("promises", "The answer is not ready yet: ask again in about 60 seconds.", 0),
    ],
)
async def test_an_answer_is_never_blank(how: str, text: str, results: int) -> None:
    it, _ = await heard(how)
    assert (it.text, len(it.results), it.error) == (text, results, "")


async def test_a_classic_server_is_asked_by_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_NLWEB_KEY", KEY)
    more = {"mode": "summarize", "sites": ("a.example", "b.example"), "conversation_id": "room"}
    earlier = tuple(f"{n}, please" for n in range(12))
    it, server = await heard("classic", prompt(previous=earlier, **more), key_env="TEST_NLWEB_KEY")
    assert it.error == ""
    assert server.targets == ["GET /classic/ask"]
    assert server.keys == [f"Bearer {KEY}"]
    (asked,) = server.asked
    assert len(asked.pop("query_id")) == 32
    assert asked == {
        "query": "What is for dinner?",
        "site": "a.example,b.example",
        "prev": json.dumps(list(earlier[2:])),
        "mode": "summarize",
        "generate_mode": "summarize",
        "streaming": "true",
    }


async def test_a_newer_server_is_asked_in_json_and_not_told_how_to_come_in() -> None:
    more = {"mode": "summarize", "sites": ("a.example",), "conversation_id": "room"}
    _, server = await heard("0.54", prompt(previous=("fish",), **more), api_version="0.54")
    assert (server.targets, server.keys) == (["POST /0.54/ask"], [])
    (asked,) = server.asked
    pseudonym = asked["meta"]["session_context"]["conversation_id"]
    assert asked == {
        "query": {"text": "What is for dinner?", "site": "a.example"},
        "context": {"@type": "ConversationalContext", "prev": ["fish"]},
        "prefer": {"streaming": True, "mode": "summarize", "response_format": "conv_search"},
        "meta": {
            "api_version": "0.54",
            "version": "0.54",
            "session_context": {"conversation_id": pseudonym},
        },
    }
    assert len(pseudonym) == 32
    _, again = await heard("0.54", prompt(conversation_id="room"), api_version="0.54")
    _, other = await heard("0.54", prompt(conversation_id="hall"), api_version="0.54")
    assert again.asked[0]["meta"]["session_context"] == {"conversation_id": pseudonym}
    assert other.asked[0]["meta"] != again.asked[0]["meta"]


@pytest.mark.parametrize("api_version", WIRES)
async def test_what_nobody_has_chosen_is_left_to_the_server(api_version: str | None) -> None:
    _, server = await heard("classic", api_version=api_version)
    (asked,) = server.asked
    if api_version is None:
        assert set(asked) == {"query", "mode", "generate_mode", "streaming", "query_id"}
        assert (asked["mode"], asked["generate_mode"]) == ("list", "none")
    else:
        assert set(asked) == {"query", "prefer", "meta"}
        assert asked["query"] == {"text": "What is for dinner?"}
        assert "session_context" not in asked["meta"]


async def test_the_sites_of_the_configuration_are_asked_where_the_conversation_has_none() -> None:
    _, server = await heard("classic", sites=["a.example"])
    assert server.asked[0]["site"] == "a.example"
    _, server = await heard("classic", prompt(sites=("b.example",)), sites=["a.example"])
    assert server.asked[0]["site"] == "b.example"


async def test_an_endpoint_may_end_in_ask() -> None:
    _, server = await heard("classic/ask")
    assert server.targets == ["GET /classic/ask"]


async def test_a_classic_request_stays_within_what_servers_read() -> None:
    what = prompt("🍟" * 5000, previous=tuple("🍟" * 5000 for _ in range(12)))
    it, server = await heard("classic", what)
    assert it.error == ""
    (asked,) = server.asked
    assert set(asked["query"]) == {"🍟"}
    assert 200 < len(asked["query"]) < 5000
    assert json.loads(asked["prev"])
    assert len(server.lines[0]) < 8190
    it, server = await heard("classic", prompt(sites=tuple("x" * 250 for _ in range(100))))
    assert it.error == "more sites than a classic request has room for"
    assert server.asked == []


@pytest.mark.parametrize(
    ("how", "requests", "error", "retry_after"),
    [
        ("busy", 3, "HTTP 429", 0),
        ("broken", 3, "HTTP 500", 0),
        ("busy-for-long", 1, "HTTP 429", 900),
        ("unknown", 1, "HTTP 404", None),
        ("moved", 1, "HTTP 307", None),
    ],
)
@pytest.mark.parametrize("api_version", WIRES)
async def test_who_refuses_is_asked_again_only_where_it_may_help(
    how: str, requests: int, error: str, retry_after: float | None, api_version: str | None
) -> None:
    it, server = await heard(how, api_version=api_version)
    assert (it.error, it.retry_after, it.text) == (error, retry_after, "")
    assert len(server.asked) == requests


@pytest.mark.parametrize("how", ["busy-at-first", "cut-at-first", "gone-at-first"])
async def test_a_server_that_is_away_for_a_moment_costs_no_answer(how: str) -> None:
    it, server = await heard(how)
    assert (it.text, it.results, it.error) == (SUMMARY, FOUND, "")
    assert len(server.asked) == 3


async def test_who_refuses_leaves_no_connection_open() -> None:
    async with nlweb() as server:
        agent = hosted("unknown", server, timeout=PATIENCE)
        upstream = open_upstream(AgentSettings.model_validate(agent))
        with trio.fail_after(PATIENCE):
            for _ in range(CONNECTIONS + 1):
                with pytest.raises(UpstreamError, match="HTTP 404"):
                    await anext(upstream.stream(prompt()))
        await upstream.close()


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    async with nlweb() as server:
        gone = hosted("classic", server)
    it = Heard()
    with trio.fail_after(PATIENCE):
        await it.listen(gone, prompt())
    assert (it.error, it.text) == ("ConnectError", "")


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("cut", "RemoteProtocolError"),
        ("cut-in-an-event", "RemoteProtocolError"),
        ("ends-early", "the stream was cut"),
        ("ends-early-by-name", "the stream was cut"),
        ("says-only-hello", "there is no answer"),
        ("empty", "there is no answer"),
        ("fails", "the server has failed: INTERNAL_ERROR"),
        ("fails-without-a-word", "the server has failed"),
        ("errs", "the server has failed: 503"),
        ("ends-in-error", "the server has failed"),
        ("garbage", "the stream has what is no event"),
        ("no-event", "the stream has what is no event"),
        ("deep", "the stream has what is no event"),
        ("huge", "SSEError"),
        ("huge-line", "SSEError"),
        ("page", "the answer is neither a stream of events nor JSON"),
        ("json-fails", "the server has failed: NO"),
        ("json-empty", "there is no answer"),
        ("json-huge", "the answer is too large"),
    ],
)
async def test_an_answer_that_breaks_is_a_failure_that_repeats_nothing_of_it(
    how: str, error: str
) -> None:
    it, server = await heard(how)
    assert it.error == error
    assert len(server.asked) == 1
    assert SUMMARY.startswith(it.text)
    gc.collect()  # whatever was left open is found, and fails the test


async def test_of_an_answer_that_breaks_the_results_stay() -> None:
    for how, number in (("cut", 3), ("ends-early", 3), ("errs", 2)):
        it, _ = await heard(how)
        assert it.error
        assert len(it.results) == number


# --- in a conversation ----------------------------------------------------------------------------------------------------


async def until(tab: Socket, *kinds: str) -> Frame:
    """The next frame of one of these kinds."""
    with trio.fail_after(PATIENCE):
        while True:
            frame = await tab.receive_json()
            if frame["type"] in kinds:
                return frame


async def ended(tab: Socket) -> Frame:
    """The next end of a run: its message, or the failure."""
    while True:
        frame = await until(tab, "message", "run_failed")
        if frame["type"] == "run_failed":
            return frame
        if frame["message"].get("run_id"):
            message: Frame = frame["message"]
            return message


async def test_people_ask_and_are_answered_and_the_server_is_told_what_they_asked_before() -> None:
    async with (
        nlweb() as server,
        serving([hosted("0.54", server, api_version="0.54")]) as url,
        Client(url, token=TOKEN) as ada,
    ):
        created = await ada.create("Dinner", enable_ai=True, mode="summarize", sites=["a.example"])
        id = created["conversation_id"]
        async with ada.socket(id) as tab:
            asked = await ada.post(id, "What is for dinner?")
            message = await ended(tab)
            assert (message["content"], message["status"]) == (SUMMARY, "complete")
            assert message["sender_id"] == "finder"
            assert message["reply_to"] == asked.message_id
            await ada.post(id, "And for lunch?")
            assert (await ended(tab))["content"] == SUMMARY
        first, second = server.asked
        assert first["query"] == {"text": "What is for dinner?", "site": "a.example"}
        assert first["prefer"]["mode"] == "summarize"
        assert "context" not in first
        assert second["context"]["prev"] == ["What is for dinner?"]
        assert id not in json.dumps(second)


@pytest.mark.parametrize(
    ("how", "more", "end"),
    [
        ("silent", {"first_word_timeout": 0.2}, ("run_failed", "timeout")),
        ("stalls", {"first_word_timeout": 0.2}, ("run_failed", "timeout")),
        ("busy", {}, ("run_failed", "upstream")),
        ("errs", {}, ("run_failed", "upstream")),
    ],
)
async def test_a_server_that_fails_fails_its_answer(
    how: str, more: dict[str, Any], end: tuple[str, str]
) -> None:
    async with (
        nlweb() as server,
        serving([hosted(how, server, **more)]) as url,
        Client(url, token=TOKEN) as ada,
    ):
        id = (await ada.create("Dinner", enable_ai=True))["conversation_id"]
        async with ada.socket(id) as tab:
            await ada.post(id, "What is for dinner?")
            failed = await ended(tab)
            assert (failed["type"], failed["reason"]) == end


async def test_a_server_that_stalls_after_some_words_ends_with_them() -> None:
    async with (
        nlweb() as server,
        serving([hosted("stalls-after-words", server, timeout=2)]) as url,
        Client(url, token=TOKEN) as ada,
    ):
        id = (await ada.create("Dinner", enable_ai=True))["conversation_id"]
        async with ada.socket(id) as tab:
            await ada.post(id, "What is for dinner?")
            message = await ended(tab)
            assert (message["content"], message["status"]) == (SUMMARY, "interrupted")


async def test_a_cancel_closes_the_request_to_the_server() -> None:
    async with (
        nlweb() as server,
        serving([hosted("endless", server)]) as url,
        Client(url, token=TOKEN) as ada,
    ):
        id = (await ada.create("Dinner", enable_ai=True))["conversation_id"]
        async with ada.socket(id) as tab:
            await ada.post(id, "What is for dinner?")
            run_id = (await until(tab, "delta"))["run_id"]
            await ada.cancel_run(id, run_id)
            with trio.fail_after(PATIENCE):
                await server.hung_up.wait()
            assert (await ended(tab))["status"] == "cancelled"


async def test_neither_the_key_nor_what_was_said_is_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_NLWEB_KEY", KEY)
    with caplog.at_level(logging.DEBUG):
        async with (
            nlweb() as server,
            serving([hosted("errs", server, key_env="TEST_NLWEB_KEY")]) as url,
            Client(url, token=TOKEN) as ada,
        ):
            id = (await ada.create("Dinner", enable_ai=True))["conversation_id"]
            async with ada.socket(id) as tab:
                await ada.post(id, "confidence")
                await ended(tab)
            assert server.keys == [f"Bearer {KEY}"]
    assert "the upstream has failed: the server has failed: 503" in caplog.text
    for each in (KEY, "confidence", SECRET):
        assert each not in caplog.text


def test_a_configuration_that_no_server_understands_says_so(tmp_path: Any) -> None:
    file = tmp_path / "salon.yaml"

    def problem(text: str) -> str:
        file.write_text(f"agents:\n  - {{id: a, name: A, kind: nlweb, {text}}}\n")
        with pytest.raises(SettingsError) as caught:
            load(file, environment={})
        (found,) = caught.value.problems
        return found

    url = "endpoint: http://h"
    assert "allowed is endpoint, for an agent of the kind nlweb" in problem("default: true")
    assert "api_version 0.54 or 0.55 or none" in problem(f"{url}, api_version: '2024-10-21'")
    assert "agents.0.sites.0: *** given" in problem(f"{url}, sites: ['a, b']")
    many = ", ".join(f"s{n}" for n in range(101))
    assert "agents.0.sites" in problem(f"{url}, sites: [{many}]")


async def test_a_server_does_not_start_with_an_agent_that_has_no_key() -> None:
    agent = hosted("classic", NLWebServer(), endpoint="http://127.0.0.1:9", key_env="NO_SUCH_KEY")
    with pytest.raises(SettingsError, match="its key_env names is not set"):
        open_upstream(AgentSettings.model_validate(agent))
