"""The server's cost of single requests, over HTTP and in a long conversation, and its memory for a conversation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import trio

from salon.web.client import Client, Conversation

from ..servers import Process, own_server
from ..users import Api, RunError, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[str], None]

LENGTHS = (100, 100_000)  # messages in a conversation
AT_ONCE = 500  # messages in flight while a conversation is filled
PATIENCE = 120.0  # seconds for filling it, and for passivation
CONVERSATIONS = 2000  # created for each half of the memory measurement


def costs(tell: Tell) -> dict[str, float]:
    """Microseconds of the server's CPU for each kind of request, by its name in the table."""
    tell("an HTTP send")
    found = {"an HTTP send, whole": _http_send()}
    for messages in LENGTHS:
        tell(f"a conversation of {messages:,} messages")
        found |= _in_a_conversation(messages)
    return found


def _http_send(times: int = 2000) -> float:
    with own_server() as (url, pid):
        api, token, room = _room(url)

        def send(number: int) -> None:
            api.send("POST", f"/chat/{room}/messages", token, {"content": f"message {number}"})

        for number in range(200):
            send(number)
        return _cost(Process(pid), times, send)


def _in_a_conversation(messages: int) -> dict[str, float]:
    with own_server() as (url, pid):
        api, token, room = _room(url)
        try:
            trio.run(_fill, url, room, token, messages)
        except trio.TooSlowError:
            raise RunError(f"{messages:,} messages took more than {PATIENCE:g} s") from None
        server, half = Process(pid), messages // 2

        def send(number: int) -> None:
            api.send("POST", f"/chat/{room}/messages", token, {"content": f"next {number}"})

        def join(_: int) -> None:
            guest = api.call("POST", "/auth/guest")["token"]
            api.send("POST", f"/chat/{room}/join", guest)

        def look(_: int) -> None:
            api.send("GET", f"/chat/{room}/messages?after={half}", token)

        name = f"with {messages:,} messages"
        return {
            f"the next message over HTTP, {name}": _cost(server, 300, send),
            f"a guest and their join, {name}": _cost(server, 80, join),
            f"a page of 100 events from the middle, {name}": _cost(server, 200, look),
        }


def memory(tell: Tell) -> dict[str, float]:
    """KiB of the server's memory for a conversation without connections, by its name in the table."""
    tell(f"{CONVERSATIONS:,} conversations that nobody is connected to")
    with own_server(LIMITS__IDLE_TIMEOUT=3600) as (url, pid):
        active = _held(url, pid, lambda api: None)
    with own_server(LIMITS__IDLE_TIMEOUT=0.1) as (url, pid):
        passive = _held(url, pid, _wait_passivated)
    return {"an active conversation, idle": active, "one that is passivated": passive}


def _held(url: str, pid: int, settle: Callable[[Api], None]) -> float:
    """KiB that each conversation of the second half adds. The first half has allocated all that is shared."""
    api, server = Api(Target.of(url)), Process(pid)
    token = api.call("POST", "/auth/guest")["token"]
    sizes = []
    for _ in range(2):
        for number in range(CONVERSATIONS):
            api.send("POST", "/chat/create", token, {"title": f"Bench {number}"})
        settle(api)
        sizes.append(server.memory())
    return round((sizes[1] - sizes[0]) / CONVERSATIONS / 1024, 1)


def _wait_passivated(api: Api) -> None:
    deadline = time.monotonic() + PATIENCE
    while api.call("GET", "/health/chat")["conversations"]:
        if time.monotonic() > deadline:
            raise RunError(f"conversations were not passivated within {PATIENCE:g} s")
        time.sleep(0.5)


def _room(url: str) -> tuple[Api, str, str]:
    api = Api(Target.of(url))
    token = api.call("POST", "/auth/guest")["token"]
    return (
        api,
        token,
        api.call("POST", "/chat/create", token, {"title": "Bench"})["conversation_id"],
    )


def _cost(server: Process, times: int, call: Callable[[int], Any]) -> float:
    before = server.cpu()
    for number in range(times):
        call(number)
    return round((server.cpu() - before) / times * 1e6, 1)


async def _fill(url: str, room: str, token: str, messages: int) -> None:
    numbers = iter(range(messages))

    async def send_some(conversation: Conversation) -> None:
        for number in numbers:
            await conversation.send(f"message {number}")

    with trio.fail_after(PATIENCE):
        async with (
            Client(url, token=token) as client,
            client.conversation(room) as conversation,
            trio.open_nursery() as nursery,
        ):
            for _ in range(AT_ONCE):
                nursery.start_soon(send_some, conversation)
