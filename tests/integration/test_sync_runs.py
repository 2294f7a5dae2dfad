"""An agent without a loop, on a real server: it takes requests, speaks, asks for tools, and is cancelled, in plain threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from salon.web.client import (
    Closed,
    Frame,
    Refused,
    RunCancelled,
    SyncClient,
    SyncConversation,
    SyncRun,
)
from tests.patience import PATIENCE
from tests.server import ServerProcess

AGENT, AGENT_ID = "agent_token", "test_agent"


@pytest.fixture
def ada(server: ServerProcess) -> Iterator[SyncClient]:
    with SyncClient(server.url) as client:
        client.guest("Ada")
        yield client


@pytest.fixture
def room(ada: SyncClient) -> str:
    return room_of(ada)


@pytest.fixture
def hers(ada: SyncClient, room: str) -> Iterator[SyncConversation]:
    with ada.conversation(room, 0, timeout=PATIENCE) as conversation:
        conversation.wait_caught_up()
        yield conversation


@pytest.fixture
def agent(server: ServerProcess, room: str) -> Iterator[SyncConversation]:
    with (
        SyncClient(server.url, token=AGENT) as client,
        client.conversation(room, timeout=PATIENCE) as conversation,
    ):
        conversation.wait_caught_up()
        yield conversation


def room_of(ada: SyncClient) -> str:
    """A conversation of hers with the agent."""
    room = str(ada.create("Lunch")["conversation_id"])
    ada.join(room, {"user_id": AGENT_ID})
    return room


def answer(conversation: SyncConversation) -> Frame:
    """The next message of the agent."""
    for event in conversation:
        message: Frame = event.get("message", {})
        if message.get("sender_id") == AGENT_ID:
            return message
    raise AssertionError("the conversation is over")


def speak(run: SyncRun, text: str = "on and on ") -> None:
    """Speak until that is not taken any more."""
    while True:
        run.say(text)


def fail_in(block: AbstractContextManager[SyncRun], act: Callable[[SyncRun], object]) -> None:
    """Do something in the block of a run that does not come to its end."""
    with block as run:
        act(run)
        raise AssertionError("the block goes on")


def heard(reader: SyncClient, conversation: SyncConversation) -> None:
    """Wait until the reader has heard something of a run."""

    async def delta() -> None:
        async for signal in conversation.asynchronous.signals:
            if signal["type"] == "delta":
                return

    reader.loop.call(delta, PATIENCE)


def test_a_request_is_answered_in_pieces_with_what_they_cost(
    agent: SyncConversation, hers: SyncConversation
) -> None:
    asked = hers.send("What is there to eat?")
    request = next(agent.requests())
    assert (request.message_id, request.why) == (asked.message_id, "alone")
    assert request.message["content"] == "What is there to eat?"
    with request.run() as run:
        run.status("thinking")
        run.say("Fish ")
        run.say("and chips")
        assert run.text == "Fish and chips"
        run.usage = {"input_tokens": 5}
        assert run.result is None
    assert run.result is not None
    said = answer(hers)
    assert (said["content"], said["status"]) == ("Fish and chips", "complete")
    assert (said["reply_to"], said["usage"]) == (asked.message_id, {"input_tokens": 5})
    assert run.result["message_id"] == said["message_id"]
    with agent.run() as unasked:
        unasked.say("By the way: coffee?")
        ended = unasked.end("complete")
    assert (ended["status"], answer(hers)["content"]) == ("complete", "By the way: coffee?")


def test_a_run_that_somebody_cancels_ends_the_block_that_speaks_in_it(
    ada: SyncClient, agent: SyncConversation, hers: SyncConversation
) -> None:
    hers.send("Count")
    with next(agent.requests()).run() as run:
        run.say("One ")
        heard(ada, hers)
        assert not run.is_cancelled
        ada.cancel_run(hers.conversation_id, run.run_id)
        speak(run)
    assert run.is_cancelled
    assert run.result is not None
    assert run.result["status"] == "cancelled"
    with pytest.raises(RunCancelled, match=run.run_id):
        run.say("more")
    with agent.run() as outer, agent.run() as inner:
        outer.say("One ")
        inner.say("An aside")
        heard(ada, hers)
        hers.cancel(outer.run_id)
        speak(outer)
    assert inner.result is not None
    assert outer.result is not None
    assert inner.result["status"] == "interrupted"
    assert outer.result["status"] in ("cancelled", "failed")  # the latter where nothing was heard


def test_a_tool_is_allowed_given_up_and_forgotten_with_a_cancelled_run(
    ada: SyncClient, room: str, agent: SyncConversation
) -> None:
    def decide(run_id: str, *, cancel: bool = False) -> None:
        waits = ada.loop.call(lambda: asking(ada, room), PATIENCE)
        if cancel:
            ada.cancel_run(room, run_id)
        else:
            ada.decide_approval(room, run_id, waits["approval"]["approval_id"], approved=True)

    with ThreadPoolExecutor(1) as threads, agent.run() as run:
        run.say("Let me see. ")
        with pytest.raises(TimeoutError):
            run.ask("look", {"at": "the menu"}, timeout=0.01)
        deciding = threads.submit(decide, run.run_id)
        assert run.ask("pay", {"amount": 5}, PATIENCE)
        deciding.result(PATIENCE)
        threads.submit(decide, run.run_id, cancel=True)
        run.ask("pay", {"amount": 500}, PATIENCE)
        pytest.fail("nobody has decided this")
    assert run.result is not None
    assert run.result["status"] == "cancelled"


async def asking(ada: SyncClient, room: str) -> Frame:
    """The run that waits for a payment, as a newcomer's socket is told."""
    async with ada.asynchronous.socket(room) as socket:
        while True:
            frame = await socket.receive_json()
            if frame["type"] == "run_status" and frame.get("approval", {}).get("tool") == "pay":
                return frame


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_the_block_interrupts_the_run_and_comes_out_as_it_is(
    kind: type[BaseException], agent: SyncConversation, hers: SyncConversation
) -> None:
    def act(run: SyncRun) -> None:
        run.say("Let me divide")
        raise kind("mine")

    with pytest.raises(kind, match="mine"):
        fail_in(agent.run(), act)
    said = answer(hers)
    assert (said["content"], said["status"]) == ("Let me divide", "interrupted")


def test_a_run_that_is_not_to_be_had_or_takes_no_more_says_so(agent: SyncConversation) -> None:
    with agent.run(run_id="twice") as run:
        run.say("x")
        with pytest.raises(ValueError, match="under way"):
            fail_in(agent.run(run_id="twice"), speak)
    with pytest.raises(Refused, match="MESSAGE_TOO_LARGE"):
        fail_in(agent.run(), lambda run: speak(run, "x" * 50_000))


def test_several_threads_answer_and_each_request_goes_to_one_of_them(
    ada: SyncClient, room: str, agent: SyncConversation
) -> None:
    agent.timeout = 0.01
    requests = agent.requests()
    with pytest.raises(TimeoutError):
        next(requests)
    agent.timeout = PATIENCE

    def work() -> list[str]:
        taken: list[str] = []
        for request in requests:
            job = request.message["content"]
            if job == "stop":
                break
            with request.run() as run:
                run.say(f"{job} is done")
            taken.append(job)
        return taken

    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(work) for _ in range(3)]
        for number in range(9):
            ada.post(room, f"job {number}")
        for _ in working:
            ada.post(room, "stop")
        taken = [each for one in working for each in one.result(PATIENCE)]
    assert sorted(taken) == [f"job {number}" for number in range(9)]


def test_a_run_ends_with_its_client_and_with_its_conversation(
    server: ServerProcess, ada: SyncClient
) -> None:
    client = SyncClient(server.url, token=AGENT)

    def close(run: SyncRun) -> None:
        client.close()
        run.say("y")

    with (
        client.conversation(room_of(ada)) as conversation,
        pytest.raises((Closed, RuntimeError), match="the client is closed"),
    ):
        fail_in(conversation.run(), close)
    room = room_of(ada)

    def leave(run: SyncRun) -> None:
        ada.remove(room, AGENT_ID)
        speak(run)

    with (
        SyncClient(server.url, token=AGENT) as client,
        client.conversation(room, 0, timeout=PATIENCE) as conversation,
    ):
        with pytest.raises((Closed, Refused)):
            fail_in(conversation.run(), leave)
        with pytest.raises((Closed, Refused)):
            next(conversation.requests())


def test_a_server_that_is_away_at_the_end_of_a_run_is_not_waited_for_beyond_the_timeout(
    own_server: ServerProcess,
) -> None:
    with SyncClient(own_server.url) as ada, SyncClient(own_server.url, token=AGENT) as client:
        ada.guest("Ada")
        with client.conversation(room_of(ada), timeout=PATIENCE) as conversation:
            conversation.wait_caught_up()
            conversation.timeout = 0.1

            def end(run: SyncRun) -> None:
                run.say("Hello")
                own_server.kill()
                run.end()

            with pytest.raises(TimeoutError):
                fail_in(conversation.run(), end)
            block = conversation.run()
            block.__enter__().say("Hello again")
            with pytest.raises(TimeoutError):
                block.__exit__(None, None, None)
