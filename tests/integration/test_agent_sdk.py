"""An agent of one's own: a program with the Python client or with plain HTTP, on a real server."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from salon.web.client import Client, Conversation, Frame, Refused, Run
from tests.patience import PATIENCE
from tests.person import Person, admin, guests
from tests.server import ServerProcess

AGENT, TOKEN = "test_agent", "agent_token"
MANUAL = Path(__file__).parents[2] / "docs" / "agents.md"


@asynccontextmanager
async def agent(server: ServerProcess, conversation_id: str) -> AsyncIterator[Conversation]:
    """The agent's program, connected."""
    async with Client(server.url, token=TOKEN) as client:
        options: dict[str, Any] = {"backoff": (0.05, 0.5)}
        async with client.conversation(conversation_id, **options) as conversation:
            with trio.fail_after(PATIENCE):
                await conversation.wait_caught_up()
            yield conversation


async def room(server: ServerProcess, *names: str) -> tuple[str, list[Person]]:
    """A conversation of these people and the agent; the first person owns it."""
    people = await guests(server, *names)
    conversation_id = await people[0].create(*people[1:])
    await people[0].ask(
        "POST", f"/chat/{conversation_id}/join", {"participant": {"user_id": AGENT}}
    )
    return conversation_id, people


async def http(server: ServerProcess, path: str, body: Frame, token: str = TOKEN) -> Frame:
    async with Client(server.url, token=token) as client:
        return await client.request("POST", path, body)


def text_of(deltas: list[Frame], so_far: str = "") -> str:
    """The text of a run by the rule for readers."""
    for delta in deltas:
        assert delta["offset"] <= len(so_far), "a delta is missing"
        so_far = so_far[: delta["offset"]] + delta["text"]
    return so_far


async def until(so: Callable[[], Any]) -> None:
    """Wait until something is so, while other tasks go on."""
    with trio.fail_after(PATIENCE):
        while not so():
            await trio.lowlevel.checkpoint()


async def heard(tab: Any, until: str) -> list[Frame]:
    """The deltas that somebody gets before a frame of another kind, which comes last."""
    deltas = []
    with trio.fail_after(PATIENCE):
        while (frame := await tab.next())["type"] != until:
            if frame["type"] == "delta":
                deltas.append(frame)
    return [*deltas, frame]


async def test_an_agent_is_asked_says_its_answer_bit_by_bit_and_it_is_one_message(
    server: ServerProcess,
) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    async with agent(server, conversation_id) as bot, ada.tab(conversation_id) as tab:
        asked = await ada.say(conversation_id, "What is for dinner?")
        async for request in bot.requests():
            assert (request.message_id, request.why) == (asked["message_id"], "alone")
            async with request.run() as run:
                for word in ("Fish ", "and ", "chips 🍟"):
                    await run.say(word)
                run.usage = {"output_tokens": 3}
            break
        await tab.until("message")
        *deltas, end = await heard(tab, "message")
        message = end["message"]
        assert text_of(deltas) == message["content"] == "Fish and chips 🍟"
        assert (message["sender_id"], message["sender_type"]) == (AGENT, "agent")
        assert (message["status"], message["usage"]) == ("complete", {"output_tokens": 3})
        assert message["reply_to"] == asked["message_id"]
        assert run.result is not None
        assert run.result["message_id"] == message["message_id"]


async def test_who_comes_in_the_middle_gets_the_whole_text_and_then_the_rest(
    server: ServerProcess,
) -> None:
    conversation_id, (ada, bob) = await room(server, "Ada", "Bob")
    async with (
        agent(server, conversation_id) as bot,
        ada.tab(conversation_id) as tab,
        bot.run() as run,
    ):
        await run.say("Once upon ")
        await tab.until("delta")
        async with bob.tab(conversation_id) as late:
            first = await late.until("delta")
            assert (first["offset"], first["text"]) == (0, "Once upon ")
            await run.say("a time")
            await run.end()
            *deltas, end = await heard(late, "message")
            assert text_of(deltas, first["text"]) == end["message"]["content"]


async def test_a_cancel_closes_the_agents_block_and_what_was_said_stays(
    server: ServerProcess,
) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    async with agent(server, conversation_id) as bot, ada.tab(conversation_id) as tab:
        answers: list[Frame] = []

        async def cancel(run_id: str) -> None:
            await tab.until("delta")
            path = f"/chat/{conversation_id}/runs/{run_id}/cancel"
            answers.append(await ada.ask("POST", path, {}))

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery, bot.run() as run:
                await run.say("I would say")
                nursery.start_soon(cancel, run.run_id)
                await trio.sleep_forever()
        (answer,) = answers
        assert answer["status"] == "cancelled"
        assert run.result is not None
        assert run.result["message_id"] == answer["message_id"]
        message = (await tab.until("message"))["message"]
        assert (message["content"], message["status"]) == ("I would say", "cancelled")


async def test_over_the_socket_as_well_a_person_cancels(server: ServerProcess) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    async with (
        agent(server, conversation_id) as bot,
        Client(server.url, token=ada.token) as client,
        client.conversation(conversation_id) as mine,
    ):
        with trio.fail_after(PATIENCE):
            async with bot.run() as run:
                await run.say("well")
                mine.cancel(run.run_id)
                await trio.sleep_forever()
        assert run.result is not None
        assert run.result["status"] in ("cancelled", "failed")


async def test_a_block_that_raises_leaves_an_interrupted_message(server: ServerProcess) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    async with agent(server, conversation_id) as bot, ada.tab(conversation_id) as tab:

        async def speak() -> None:
            async with bot.run() as run:
                await run.say("one over nothing is ")
                await run.say(str(1 / 0))

        with pytest.raises(ZeroDivisionError):
            await speak()
        message = (await tab.until("message"))["message"]
        assert (message["content"], message["status"]) == ("one over nothing is ", "interrupted")


async def test_a_run_goes_on_over_a_kill_of_the_server_and_every_reader_has_all_of_it(
    own_server: ServerProcess,
) -> None:
    server = own_server
    conversation_id, (ada,) = await room(server, "Ada")
    texts: dict[str, str] = {}
    messages: list[Frame] = []
    connections: list[Frame] = []
    whole = [f"word {number}, " for number in range(60)]

    async def read(mine: Conversation) -> None:
        async for frame in mine.signals:
            if frame["type"] == "caught_up":
                connections.append(frame)
            elif frame["type"] == "delta":
                before = texts.get(frame["run_id"], "")
                texts[frame["run_id"]] = text_of([frame], before)

    async def listen(mine: Conversation) -> None:
        async for event in mine:
            if event["type"] == "message":
                messages.append(event["message"])
                return

    async with (
        Client(server.url, token=ada.token) as client,
        client.conversation(conversation_id, backoff=(0.05, 0.5)) as mine,
        agent(server, conversation_id) as bot,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(read, mine)
        nursery.start_soon(listen, mine)
        with trio.fail_after(PATIENCE):
            async with bot.run() as run:
                for number, word in enumerate(whole):
                    await run.say(word)
                    if number % 20 == 10:
                        await until(lambda: texts.get(run.run_id))
                        before = len(connections)
                        server.kill()
                        server.start()
                        await until(lambda before=before: len(connections) > before)  # type: ignore[misc]
            await until(lambda: messages)
        assert messages[0]["content"] == "".join(whole)
        await until(lambda: texts[run.run_id] == messages[0]["content"])
        assert messages[0]["status"] == "complete"
        nursery.cancel_scope.cancel()


async def test_an_agent_that_is_gone_leaves_an_interrupted_message_even_after_a_kill(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LIMITS__RUN_GRACE="1")
    conversation_id, (ada,) = await room(server, "Ada")
    path = f"/chat/{conversation_id}/runs"
    await http(server, path, {"run_id": "r"})
    await http(server, f"{path}/r/delta", {"offset": 0, "text": "I was about to"})
    async with ada.tab(conversation_id) as tab:
        message = (await tab.until("message"))["message"]
        assert (message["content"], message["status"]) == ("I was about to", "interrupted")
    await http(server, path, {"run_id": "s"})
    server.kill()
    server.start()
    async with ada.tab(conversation_id) as tab:
        failed = await tab.until("run_failed")
        assert (failed["run_id"], failed["reason"]) == ("s", "interrupted")


async def test_over_plain_http_the_same_again_changes_nothing_and_a_gap_is_named(
    server: ServerProcess,
) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    path = f"/chat/{conversation_id}/runs"
    first = await http(server, path, {"run_id": "r"})
    assert (first["status"], first["offset"]) == ("open", 0)
    for _ in range(2):
        said = await http(server, f"{path}/r/delta", {"offset": 0, "text": "Fish"})
        assert said["offset"] == 4
    with pytest.raises(Refused) as gap:
        await http(server, f"{path}/r/delta", {"offset": 5, "text": "x"})
    assert (gap.value.code, gap.value.status) == ("OFFSET_MISMATCH", 409)
    assert gap.value.details["expected_offset"] == 4
    await http(server, f"{path}/r/status", {"state": "tool", "label": "looks"})
    ends = [await http(server, f"{path}/r/end", {"offset": 4}) for _ in range(2)]
    assert ends[0] == ends[1]
    assert (await http(server, path, {"run_id": "r"}))["message_id"] == ends[0]["message_id"]
    assert (await ada.history(conversation_id))[-1]["message"]["content"] == "Fish"
    with pytest.raises(Refused) as late:
        await http(server, f"{path}/r/delta", {"offset": 4, "text": "x"})
    assert (late.value.code, late.value.details["run_status"]) == ("RUN_ENDED", "complete")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {}, 400),
        ("", {"run_id": ""}, 400),
        ("", {"run_id": "x" * 129}, 400),
        ("", {"run_id": "r", "reply_to": "nothing"}, 400),
        ("/r/delta", {"offset": -1, "text": "x"}, 400),
        ("/r/delta", {"offset": 0, "text": ""}, 400),
        ("/r/delta", {"offset": 0, "text": "x"}, 404),
        ("/r/end", {"status": "good"}, 400),
        ("/r/end", {"usage": {"x": "y" * 5000}}, 400),
        ("/r/end", {}, 404),
        ("/r/status", {"state": "asleep"}, 400),
        ("/r/cancel", {}, 404),
        ("/r/regenerate", {}, 404),
    ],
)
async def test_what_is_wrong_is_refused_with_its_reason(
    server: ServerProcess, path: str, body: Frame, status: int
) -> None:
    conversation_id, _ = await room(server, "Ada")
    with pytest.raises(Refused) as refused:
        await http(server, f"/chat/{conversation_id}/runs{path}", body)
    assert refused.value.status == status
    assert refused.value.text


async def test_a_person_starts_no_run(server: ServerProcess) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    assert ada.token is not None
    with pytest.raises(Refused) as refused:
        await http(server, f"/chat/{conversation_id}/runs", {"run_id": "r"}, ada.token)
    assert refused.value.code == "FORBIDDEN"


async def test_an_owner_sets_what_an_agent_answers(server: ServerProcess) -> None:
    conversation_id, (ada, bob) = await room(server, "Ada", "Bob")
    path = f"/chat/{conversation_id}/agents/{AGENT}"
    async with bob.tab(conversation_id) as tab:
        seen = await ada.client().update_agent(
            conversation_id, AGENT, trigger="always", agents_may_call=3
        )
        shown = next(p for p in seen["participants"] if p["participantId"] == AGENT)
        assert (shown["trigger"], shown["agentsMayCall"]) == ("always", 3)
        event = await tab.until("agent_updated")
        assert (event["participant_id"], event["trigger"], event["by"]) == (AGENT, "always", ada.id)
    assert (await bob.call("PATCH", path, {"trigger": "never"})).status_code == 403
    async with agent(server, conversation_id) as bot:
        await bob.say(conversation_id, "anybody?")
        async for request in bot.requests():
            assert request.why == "always"
            break


async def test_an_operator_sees_open_runs_and_why_an_agent_did_not_answer(
    server: ServerProcess,
) -> None:
    conversation_id, (ada, _) = await room(server, "Ada", "Bob")
    silent = await ada.say(conversation_id, "@Bob, not you, robot")
    spoken = await ada.say(conversation_id, "you", mentions=[AGENT])
    await http(server, f"/chat/{conversation_id}/runs", {"run_id": "r"})
    seen = await admin(server).ask("GET", f"/admin/conversations/{conversation_id}")
    assert [
        (each["message_id"], each["participant_id"], each["asked"], each["why"])
        for each in seen["decisions"]
    ] == [
        (spoken["message_id"], AGENT, True, "mention"),
        (silent["message_id"], AGENT, False, "others mentioned"),
    ]
    assert [(run["run_id"], run["offset"]) for run in seen["runs"]] == [("r", 0)]
    path = f"/admin/conversations/{conversation_id}/runs/r/cancel"
    assert (await ada.call("POST", path)).status_code == 403
    for _ in range(2):
        ended = await admin(server).ask("POST", path)
        assert ended == {"run_id": "r", "status": "failed"}
    deeds = (await admin(server).ask("GET", "/admin/audit"))["deeds"]
    assert (deeds[-1]["action"], deeds[-1]["target"]) == ("cancel", f"r in {conversation_id}")


async def test_a_regenerated_answer_is_a_second_run_for_the_same_message(
    server: ServerProcess,
) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    answers: list[Run] = []
    async with agent(server, conversation_id) as bot:
        asked = await ada.say(conversation_id, "Well?")
        async for request in bot.requests():
            async with request.run() as run:
                await run.say(f"answer {len(answers)}")
            answers.append(run)
            assert request.message_id == asked["message_id"]
            if len(answers) == 2:
                assert request.why == "regenerate"
                break
            again = await ada.client().regenerate_run(conversation_id, run.run_id)
            assert again["message_id"] == asked["message_id"]
    events = await ada.history(conversation_id)
    said = [event["message"]["content"] for event in events if event["type"] == "message"]
    assert said == ["Well?", "answer 0", "answer 1"]


async def test_the_example_of_the_manual_answers(server: ServerProcess, tmp_path: Path) -> None:
    conversation_id, (ada,) = await room(server, "Ada")
    (program,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    lines = [line for line in program.splitlines() if line.strip()]
    assert len(lines) <= 40
    path = tmp_path / "agent.py"
    path.write_text(program)
    names = {"SALON_URL": server.url, "SALON_TOKEN": TOKEN, "CONVERSATION": conversation_id}
    async with trio.open_nursery() as nursery:
        start = partial(trio.run_process, [sys.executable, str(path)], env=os.environ | names)
        nursery.start_soon(start)
        async with ada.tab(conversation_id) as tab:
            await ada.say(conversation_id, "say this again")
            await tab.until("message")
            message = (await tab.until("message"))["message"]
            assert message["content"] == "say this again "
            assert message["usage"] == {"output_tokens": 3}
        nursery.cancel_scope.cancel()
