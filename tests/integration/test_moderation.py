"""The hook before a message is stored, on a real server: rules, a real HTTP endpoint, and what is held until somebody decides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from salon.web.client import Client, Frame, MessageHeld, Refused
from salon.web.settings import SettingsError, load
from tests.inside import OPERATOR, TOKEN, serving
from tests.model import Line
from tests.patience import PATIENCE

RULES = {
    "rules": [
        {"words": ["spam", "Müll"], "action": "refuse", "reason": "No advertising."},
        {"pattern": r"https?://\S{1,80}\.example", "action": "hold", "reason": "A link."},
    ]
}


class Room:
    """A conversation of Ada and Ben, and the operator."""

    def __init__(self, ada: Client, ben: Client, root: Client, id: str) -> None:
        self.ada, self.ben, self.root, self.id = ada, ben, root, id

    async def texts(self) -> list[str]:
        """What is said there, as Ben reads it."""
        page = await self.ben.request("GET", f"/chat/{self.id}/messages")
        return [e["message"]["content"] for e in page["events"] if e["type"] == "message"]

    async def queue(self, state: str = "open") -> list[Frame]:
        held: list[Frame] = (await self.root.request("GET", f"/admin/held?state={state}"))["held"]
        return held


@asynccontextmanager
async def room(store: str = "memory:", **moderation: Any) -> AsyncIterator[Room]:
    async with (
        serving(store=store, moderation=moderation) as url,
        Client(url, token=TOKEN) as ada,
        Client(url, token="ben") as ben,
        Client(url, token=OPERATOR) as root,
    ):
        listed = (await ben.conversations())["conversations"]
        id = listed[0]["conversation_id"] if listed else None
        if id is None:
            created = await ben.create("Lunch", [{"user_id": "ada", "name": "Ada"}])
            id = created["conversation_id"]
        yield Room(ada, ben, root, id)


async def refused(call: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


async def held(call: Any) -> int:
    with pytest.raises(MessageHeld) as caught:
        await call
    return caught.value.held_id


async def test_words_are_refused_whatever_their_form_and_others_pass() -> None:
    async with room(**RULES) as it:
        for text in ("Buy SPAM!", "sp\u00e1m", "mull, lots of it", "spam"):
            problem = await refused(it.ada.post(it.id, text))
            assert (problem.code, problem.status) == ("MESSAGE_REFUSED", 403)
            assert "No advertising." in problem.text
        for text in ("spammer", "Hello", "no spa m"):
            await it.ada.post(it.id, text)
        assert await it.texts() == ["spammer", "Hello", "no spa m"]
        assert await it.queue() == []


async def test_what_is_held_is_posted_as_its_sender_once_it_is_approved() -> None:
    async with room(**RULES) as it, it.ada.socket(it.id) as tab:
        text = "see http://shop.example"
        held_id = await held(it.ada.post(it.id, text, key="k1"))
        assert await held(it.ada.post(it.id, text, key="k1")) == held_id, "a retry is the same"
        await it.ada.post(it.id, "meanwhile")
        assert await it.texts() == ["meanwhile"]
        (waiting,) = await it.queue()
        assert (waiting["content"], waiting["reason"], waiting["sender"]["id"]) == (
            *(text, "A link.", "ada"),
        )
        for _ in range(2):
            decided = await it.root.request("POST", f"/admin/held/{held_id}/approve")
            assert (decided["outcome"], decided["content"]) == ("approved", None)
        assert await it.texts() == ["meanwhile", text]
        frame = await until(tab, "held_decided")
        assert (frame["outcome"], frame["client_message_id"]) == ("approved", "k1")
        receipt = await it.ada.post(it.id, text, key="k1")
        assert receipt.message_id == frame["message_id"]
        assert await it.texts() == ["meanwhile", text]
        deeds = (await it.root.request("GET", "/admin/audit"))["deeds"]
        assert ("DecideHeld", "approved") in [(e["action"], e["outcome"]) for e in deeds]


async def test_what_is_denied_is_dropped_and_its_sender_learns_why() -> None:
    async with room(**RULES) as it, it.ada.socket(it.id) as tab:
        text = "see http://shop.example"
        held_id = await held(it.ada.post(it.id, text, key="k1"))
        await it.root.request("POST", f"/admin/held/{held_id}/deny", {"reason": "Not here."})
        frame = await until(tab, "held_decided")
        assert (frame["outcome"], frame["reason"]) == ("denied", "Not here.")
        problem = await refused(it.ada.post(it.id, text, key="k1"))
        assert (problem.code, "Not here." in problem.text) == ("MESSAGE_REFUSED", True)
        (mine,) = (await it.ada.held(it.id, "closed"))["held"]
        assert (mine["outcome"], mine["why"], mine["content"]) == ("denied", "Not here.", None)
        assert await it.texts() == []


async def test_an_edit_is_judged_as_a_message_is() -> None:
    async with room(**RULES) as it:
        receipt = await it.ada.post(it.id, "harmless")
        path = f"/chat/{it.id}/messages/{receipt.message_id}"
        problem = await refused(it.ada.request("PATCH", path, {"content": "spam"}))
        assert problem.code == "MESSAGE_REFUSED"
        answer = await it.ada.request("PATCH", path, {"content": "http://shop.example"})
        assert await it.texts() == ["harmless"]
        await it.ben.approve_held(it.id, answer["held_id"])
        assert await it.texts() == ["http://shop.example"]


async def test_moderators_decide_about_others_and_nobody_else() -> None:
    async with room(**RULES) as it:
        hers = await held(it.ada.post(it.id, "http://a.example"))
        his = await held(it.ben.post(it.id, "http://b.example"))
        assert [each["held_id"] for each in (await it.ada.held(it.id))["held"]] == [hers]
        assert [each["held_id"] for each in (await it.ben.held(it.id))["held"]] == [his, hers]
        assert (await refused(it.ada.approve_held(it.id, hers))).code == "FORBIDDEN"
        assert (await refused(it.ada.approve_held(it.id, his))).code == "NOT_FOUND"
        assert (await refused(it.ben.approve_held(it.id, his))).code == "FORBIDDEN", "one's own"
        assert (await it.ben.approve_held(it.id, hers))["outcome"] == "approved"
        assert await it.texts() == ["http://a.example"]


async def decide(call: Any, outcomes: list[str]) -> None:
    try:
        outcomes.append((await call)["outcome"])
    except Refused as refusal:
        outcomes.append(f"{refusal.status} {refusal.code}")


async def test_of_two_decisions_at_once_one_counts(tmp_path: Path) -> None:
    async with room(f"sqlite:///{tmp_path}/salon.db", **RULES) as it:
        posted = 0
        for number in range(12):
            held_id = await held(it.ada.post(it.id, f"http://{number}.example"))
            outcomes: list[str] = []
            calls = [
                it.ben.approve_held(it.id, held_id),
                it.root.request("POST", f"/admin/held/{held_id}/deny"),
            ]
            async with trio.open_nursery() as nursery:
                for call in calls[:: 1 if number % 2 else -1]:
                    nursery.start_soon(decide, call, outcomes)
            posted += "approved" in outcomes
            assert sorted(outcomes) in (
                ["409 ALREADY_DECIDED", "approved"],
                ["409 ALREADY_DECIDED", "denied"],
            )
            assert len(await it.texts()) == posted
            newest, *_ = await it.queue("closed")
            assert newest["outcome"] in outcomes


async def test_the_same_decision_again_is_answered_and_another_one_is_refused() -> None:
    async with room(**RULES) as it:
        first, second = [await held(it.ada.post(it.id, f"http://{n}.example")) for n in "ab"]
        for _ in range(2):
            assert (await it.ben.deny_held(it.id, first))["outcome"] == "denied"
            assert (await it.ben.approve_held(it.id, second))["outcome"] == "approved"
        problem = await refused(it.ben.approve_held(it.id, first))
        assert (problem.code, problem.details["outcome"]) == ("ALREADY_DECIDED", "denied")
        problem = await refused(it.ben.deny_held(it.id, second))
        assert (problem.code, problem.details["outcome"]) == ("ALREADY_DECIDED", "approved")


async def test_what_was_posted_before_a_crash_is_not_denied_after_it(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/salon.db"
    async with room(store, **RULES) as it:
        held_id = await held(it.ada.post(it.id, "http://a.example", key="k1"))
    async with room(store) as it:  # posted under its key, and not noted as decided
        await it.ada.post(it.id, "http://a.example", key="k1")
    async with room(store, **RULES) as it:
        assert [each["held_id"] for each in await it.queue()] == [held_id]
        assert (await refused(it.ben.deny_held(it.id, held_id))).code == "ALREADY_DECIDED"
        assert [each["outcome"] for each in await it.queue("closed")] == ["approved"]
        assert await it.queue() == []
        assert await it.texts() == ["http://a.example"]


async def test_what_is_approved_after_its_sender_may_not_speak_any_more_is_refused() -> None:
    async with room(**RULES) as it:
        held_id = await held(it.ada.post(it.id, "http://a.example"))
        await it.ben.remove(it.id, "ada")
        decided = await it.ben.approve_held(it.id, held_id)
        assert decided["outcome"] == "refused"
        assert await it.texts() == []


@pytest.mark.parametrize(
    "path",
    ["held/{}/approve", "held/{}/deny", "reports/{}/mute", "reports/{}/ban"],
)
async def test_a_number_that_no_store_can_have_is_nothing_that_is_there(path: str) -> None:
    async with room(**RULES) as it:
        for place in ("/admin/", f"/chat/{it.id}/") if "held" in path else ("/admin/",):
            with pytest.raises(Refused) as caught:
                await it.root.request("POST", place + path.format(2**70), {})
            assert caught.value.code == "NOT_FOUND"


async def test_held_messages_survive_a_restart_and_go_with_their_conversation(
    tmp_path: Path,
) -> None:
    store = f"sqlite:///{tmp_path}/salon.db"
    async with room(store, **RULES) as it:
        held_id = await held(it.ada.post(it.id, "http://a.example"))
    async with room(store, **RULES) as it:
        assert [each["held_id"] for each in await it.queue()] == [held_id]
        await it.ben.delete_conversation(it.id)
        assert await it.queue() == []
    assert b"http://a.example" not in (tmp_path / "salon.db").read_bytes()


# --- the endpoint -------------------------------------------------------------------------------------------------------


class Judge:
    """A real HTTP server that answers as `say` does, and holds back its answers about what `wait_for` is in."""

    def __init__(self) -> None:
        self.asked: list[Frame] = []
        self.keys: list[str] = []
        self.say: Callable[[Frame], Any] = lambda asked: {"action": "allow"}
        self.wait_for = ""
        self.go_on = trio.Event()
        self.is_asked = trio.Event()
        self.url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer the one request of a connection."""
        wire = Line(stream)
        request = await wire.request()
        if request is None:
            return
        asked = json.loads(request[1])
        self.asked.append(asked)
        self.keys += [v.decode() for k, v in request[0].headers if k == b"authorization"]
        self.is_asked.set()
        if self.wait_for and self.wait_for in asked["content"]:
            await self.go_on.wait()
        said = self.say(asked)
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        with suppress(trio.BrokenResourceError):  # nobody waits any more
            await wire.answer(200, [("Connection", "close")], body)
        await stream.aclose()


@asynccontextmanager
async def judged(**moderation: Any) -> AsyncIterator[tuple[Room, Judge]]:
    judge = Judge()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, judge.serve, 0)
        judge.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/judge"
        async with room(url=judge.url, **moderation) as it:
            yield it, judge
        nursery.cancel_scope.cancel()


async def test_the_endpoint_is_asked_and_what_it_says_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "very-secret")
    answers = {
        "fine": {"action": "allow"},
        "bad": {"action": "refuse", "reason": "Too rude."},
        "odd": {"action": "hold"},
        "phone 123": {"action": "replace", "content": "phone ***"},
    }
    async with judged(key_env="JUDGE_KEY") as (it, judge):
        judge.say = lambda asked: answers[asked["content"]]
        receipt = await it.ada.post(it.id, "fine")
        assert "Too rude." in (await refused(it.ada.post(it.id, "bad"))).text
        held_id = await held(it.ada.post(it.id, "odd"))
        await it.ada.post(it.id, "phone 123")
        await it.root.request("POST", f"/admin/held/{held_id}/approve")
        assert await it.texts() == ["fine", "phone ***", "odd"]
        path = f"/chat/{it.id}/messages/{receipt.message_id}"
        await it.ada.request("PATCH", path, {"content": "phone 123"})
        assert (await it.texts())[0] == "phone ***"
        first, *_, last = judge.asked
        assert (first["kind"], first["sender"], first["conversation_id"]) == (
            "message",
            {"id": "ada", "name": "Ada", "type": "human"},
            it.id,
        )
        assert (last["kind"], last["message_id"]) == ("edit", receipt.message_id)
        assert set(judge.keys) == {"Bearer very-secret"}


async def test_only_the_sender_waits_and_their_messages_stay_in_order() -> None:
    async with judged(timeout=60) as (it, judge), it.ada.socket(it.id) as tab:
        judge.wait_for = "slow"
        for text in ("slow", "quick"):
            await tab.send_json({"type": "message", "content": text, "client_message_id": text})
        with trio.fail_after(PATIENCE):
            await judge.is_asked.wait()
        await it.ben.post(it.id, "from Ben")
        assert await it.texts() == ["from Ben"]
        judge.go_on.set()
        acks = [(await until(tab, "message_ack"))["client_message_id"] for _ in range(2)]
        assert acks == ["slow", "quick"]
        assert await it.texts() == ["from Ben", "slow", "quick"]


@pytest.mark.parametrize("on_failure", ["hold", "allow"])
@pytest.mark.parametrize(
    "said", [b"no JSON", b"[]", {"action": "shout"}, {"action": "replace"}, {"reason": "x"}]
)
async def test_an_endpoint_that_gives_no_verdict_counts_as_failed(
    on_failure: str, said: Any
) -> None:
    async with judged(on_failure=on_failure) as (it, judge):
        judge.say = lambda asked: said
        if on_failure == "hold":
            await held(it.ada.post(it.id, "hello"))
            assert await it.texts() == []
        else:
            await it.ada.post(it.id, "hello")
            assert await it.texts() == ["hello"]
        judge.say = lambda asked: {"action": "allow"}
        await it.ada.post(it.id, "again")


async def test_an_endpoint_that_fails_again_and_again_is_left_alone() -> None:
    async with judged(on_failure="allow") as (it, judge):
        judge.say = lambda asked: b"no"
        for number in range(12):
            await it.ada.post(it.id, f"{number}")
        assert len(await it.texts()) == 12
        assert len(judge.asked) < 12


async def test_an_endpoint_that_does_not_answer_in_time_delays_nobody_for_longer() -> None:
    async with judged(timeout=0.05, on_failure="hold") as (it, judge):
        judge.wait_for = "slow"
        await held(it.ada.post(it.id, "slow"))
        judge.go_on.set()


async def test_a_retry_of_what_was_stored_is_answered_whatever_is_said_of_it_now() -> None:
    async with judged() as (it, judge):
        receipt = await it.ada.post(it.id, "hello", key="k1")
        judge.say = lambda asked: {"action": "refuse"}
        assert (await it.ada.post(it.id, "hello", key="k1")).message_id == receipt.message_id
        await refused(it.ada.post(it.id, "hello", key="k2"))


@pytest.mark.parametrize("again", [b"no verdict", {"action": "replace", "content": "phone ---"}])
async def test_a_retry_of_what_was_replaced_is_answered_whatever_is_said_of_it_now(
    again: Any,
) -> None:
    async with judged(on_failure="allow") as (it, judge):
        judge.say = lambda asked: {"action": "replace", "content": "phone ***"}
        receipt = await it.ada.post(it.id, "phone 123", key="k1")
        judge.say = lambda asked: again
        assert (await it.ada.post(it.id, "phone 123", key="k1")).message_id == receipt.message_id
        assert await it.texts() == ["phone ***"]


async def test_what_came_again_and_was_let_pass_is_not_denied_any_more() -> None:
    async with judged(on_failure="hold") as (it, judge):
        judge.say = lambda asked: b"no JSON"
        held_id = await held(it.ada.post(it.id, "hello", key="k1"))
        judge.say = lambda asked: {"action": "allow"}
        await it.ada.post(it.id, "hello", key="k1")
        assert (await refused(it.ben.deny_held(it.id, held_id))).code == "ALREADY_DECIDED"
        assert await it.texts() == ["hello"]


async def test_nobody_fills_the_queue_alone() -> None:
    async with judged() as (it, judge):
        judge.say = lambda asked: {"action": "hold"}
        for number in range(100):
            await held(it.ada.post(it.id, f"{number}"))
        assert (await refused(it.ada.post(it.id, "more"))).code == "LIMIT_REACHED"
        await held(it.ben.post(it.id, "from Ben"))


async def until(tab: Any, kind: str) -> Frame:
    with trio.fail_after(PATIENCE):
        while (frame := await tab.receive_json())["type"] != kind:
            pass
    found: Frame = frame
    return found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: [{pattern: '(a+)+b', action: hold}]", "repetitions with an end"),
        ("rules: [{pattern: 'a{0,99}a{0,99}', action: hold}]", "at most 256 ways"),
        ("rules: [{pattern: '(', action: hold}]", "a regular expression"),
        ("rules: [{words: [two words], action: hold}]", "words of letters"),
        ("rules: [{words: [one], pattern: x, action: hold}]", "either words or a pattern"),
        ("rules: [{words: [one], action: shout}]", "refuse"),
        ("url: ftp://nowhere", "an https URL"),
        ("on_failure: perhaps", "allow"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_said_at_the_start(
    tmp_path: Path, text: str, problem: str
) -> None:
    config = tmp_path / "salon.yaml"
    config.write_text(f"moderation:\n  {text}\n")
    with pytest.raises(SettingsError) as caught:
        load(config, environment={})
    assert problem in str(caught.value)
    assert "moderation" in str(caught.value)


async def answer(it: Room, agent: Client, run_id: str, text: str) -> Frame:
    """What an agent says in a run; the receipt of its end."""
    await agent.start_run(it.id, run_id)
    await agent.extend_run(it.id, run_id, 0, text)
    return await agent.end_run(it.id, run_id)


async def test_what_an_agent_has_said_is_taken_back_where_it_may_not_be_said() -> None:
    async with judged(on_failure="hold", **RULES) as (it, judge):
        await it.ben.request("POST", f"/chat/{it.id}/join", {"participant": {"user_id": "bot"}})
        judge.say = lambda asked: {"action": "refuse" if "secret" in asked["content"] else "allow"}
        async with (
            Client(it.ben.url, token="agent") as agent,
            it.ben.conversation(it.id) as conversation,
        ):
            await conversation.wait_caught_up()
            taken_back = []
            for number, text in enumerate(("Buy spam!", "the secret", "hello")):
                receipt = await answer(it, agent, f"r{number}", text)
                taken_back.append(receipt["message_id"])
            deleted = {}
            async for event in conversation:
                if event["type"] == "message_deleted":
                    deleted[event["message_id"]] = event
                if len(deleted) == 2:
                    break
        assert deleted.keys() == set(taken_back[:2])
        assert deleted[taken_back[0]]["reason"] == "No advertising."
        assert {each["by"] for each in deleted.values()} == {"salon"}
        judge.say = lambda asked: b"no verdict"
        async with Client(it.ben.url, token="agent") as agent:
            await answer(it, agent, "r4", "what nobody can judge stays")
        assert (await it.texts())[-2:] == ["hello", "what nobody can judge stays"]
