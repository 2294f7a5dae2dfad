"""Messages over HTTP: posting them once, whatever happens, and reading the log."""

from __future__ import annotations

import json
from functools import partial

import pytest
import trio

from tests.person import Frame, Person, agent, guest, guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP, receipt, refusal

KEY = "Idempotency-Key"


def numbers(frames: list[Frame]) -> list[int]:
    return [frame["sequence_id"] for frame in frames]


class TestPosting:
    async def test_the_receipt_says_where_the_message_stands(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        response = await ada.call("POST", f"/chat/{conversation_id}/messages", {"content": "hello"})
        assert response.status_code == 201
        assert response.json() == receipt(conversation_id, 2)

    async def test_the_log_holds_the_message_as_it_was_given(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        first = await ada.say(conversation_id, "hello")
        text = 'a "quoted" \\ line\n\ttab \0 \x7f \u2028 grüße 🎉 \U0010ffff'
        given = {
            "client_message_id": 'k"1\\',
            "reply_to": first["message_id"],
            "metadata": {"a": [1, {"b": None}], "ü": "\n"},
        }
        second = await ada.say(conversation_id, text, **given)
        assert (await ada.history(conversation_id))[-1] == {
            "type": "message",
            "sequence_id": 3,
            "message": {
                "message_id": second["message_id"],
                "conversation_id": conversation_id,
                "sequence_id": 3,
                "sender_id": ada.id,
                "sender_name": "Ada",
                "sender_type": "human",
                "content": text,
                "message_type": "text",
                "timestamp": second["timestamp"],
                **given,
            },
        }

    @pytest.mark.parametrize("text", [" a ", "\n.\n", "\u200b字\u200b", "\t\0👍\ufeff\r\n"])
    async def test_content_that_shows_anything_is_kept_as_it_is_with_what_does_not_show(
        self, server: ServerProcess, text: str
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        await ada.say(conversation_id, text)
        async with ada.tab(conversation_id) as tab:
            await tab.send("message", content=text)
            await tab.until("message_ack")
        log = await ada.history(conversation_id)
        assert [event["message"]["content"] for event in log[1:]] == [text, text]

    async def test_an_agent_speaks_as_one(self, server: ServerProcess) -> None:
        bot = agent(server)
        conversation_id = await bot.create()
        await bot.say(conversation_id, "beep")
        message = (await bot.history(conversation_id))[-1]["message"]
        assert (message["sender_type"], message["sender_name"]) == ("agent", "Agent")

    async def test_the_longest_message_may_be_all_emoji(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        longest = "🎉" * 10_000
        escaped = json.dumps({"content": longest})
        assert len(escaped) > 120_000
        response = await ada.call(
            "POST", f"/chat/{conversation_id}/messages", content=escaped.encode()
        )
        assert response.status_code == 201
        assert (await ada.see(conversation_id))["messages"][0]["content"] == longest
        refusal(
            await ada.call("POST", f"/chat/{conversation_id}/messages", {"content": longest + "!"}),
            413,
            "MESSAGE_TOO_LARGE",
            actual_size=10_001,
            max_size=10_000,
        )

    async def test_whoever_only_watches_may_read_and_not_speak(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        stage = {"title": "Stage", "participants": [bob.entry(role="observer")]}
        conversation_id = (await ada.ask("POST", "/chat/create", stage))["conversation_id"]
        await ada.say(conversation_id, "welcome")
        assert [m["content"] for m in (await bob.see(conversation_id))["messages"]] == ["welcome"]
        body = {"content": "may I?", "client_message_id": "k1"}
        refused = await bob.call("POST", f"/chat/{conversation_id}/messages", body)
        refusal(refused, 403, "FORBIDDEN", client_message_id="k1")
        cleo = await guest(server, "Cleo")
        friend = {"participant": cleo.entry()}
        refusal(await bob.call("POST", f"/chat/{conversation_id}/join", friend), 403, "FORBIDDEN")

    async def test_five_thousand_messages_are_taken_and_it_goes_on(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        receipts: list[Frame] = []
        async with ada.client().socket(conversation_id) as socket:
            for start in range(0, 5000, 200):  # a mailbox takes 250 of one person's at once
                texts = [{"type": "message", "content": f"{n}"} for n in range(start, start + 200)]
                await socket.send_json(*texts)
                while len(receipts) < start + 200:
                    frame = await socket.receive_json()
                    assert frame["type"] != "error", frame
                    receipts += [frame] if frame["type"] == "message_ack" else []
        assert numbers(receipts) == list(range(2, 5002))
        assert (await bob.say(conversation_id, "and on"))["sequence_id"] == 5002
        log = await bob.history(conversation_id)
        assert numbers(log) == list(range(1, 5003))
        assert [event["message"]["content"] for event in log[1:-1]] == [f"{n}" for n in range(5000)]
        assert (await bob.see(conversation_id))["message_count"] == 5001


class TestTheSameKeyAgain:
    async def test_it_is_the_same_message_however_much_later(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        path = f"/chat/{conversation_id}/messages"
        body = {"content": "once", "client_message_id": "k1", "metadata": {"a": 1, "b": 2}}
        first = await ada.call("POST", path, body)
        assert (first.status_code, first.json()) == (201, receipt(conversation_id, 2, "k1"))
        for number in range(60):  # more than a conversation keeps at hand
            await ada.say(conversation_id, f"{number}")
        again = await ada.call("POST", path, body)
        assert (again.status_code, again.json()) == (200, first.json())
        assert (await ada.see(conversation_id))["message_count"] == 61

    async def test_message_id_means_the_same_as_nlweb_has_it(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        post = partial(ada.call, "POST", f"/chat/{conversation_id}/messages")
        first = await post({"content": "once", "message_id": "k1"})
        assert (first.status_code, first.json()) == (201, receipt(conversation_id, 2, "k1"))
        async with ada.tab(conversation_id) as tab:
            await tab.send("message", content="once", message_id="k1")
            ack = await tab.until("message_ack")
        assert (ack["sequence_id"], ack["client_message_id"]) == (2, "k1")
        for again in (
            await post({"content": "once", "client_message_id": "k1"}),
            await post({"content": "once", "message_id": "k1"}, headers={KEY: "k1"}),
        ):
            assert (again.status_code, again.json()) == (200, first.json())
        assert (await ada.see(conversation_id))["message_count"] == 1

    async def test_the_header_means_the_same_as_the_field(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        post = partial(ada.call, "POST", f"/chat/{conversation_id}/messages")
        first = await post({"content": "once"}, headers={KEY: "k1"})
        assert (first.status_code, first.json()) == (201, receipt(conversation_id, 2, "k1"))
        for again in (
            await post({"content": "once", "client_message_id": "k1"}),
            await post({"content": "once", "client_message_id": "k1"}, headers={KEY: "k1"}),
        ):
            assert (again.status_code, again.json()) == (200, first.json())

    @pytest.mark.parametrize(
        "other",
        [{"content": "other"}, {"reply_to": "-"}, {"metadata": {"a": 2}}, {"metadata": None}],
    )
    async def test_another_message_under_it_is_refused(
        self, server: ServerProcess, other: Frame
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        start = await ada.say(conversation_id, "start")
        if "reply_to" in other:
            other = {"reply_to": start["message_id"]}
        body = {"content": "once", "client_message_id": "k1", "metadata": {"a": 1}}
        await ada.ask("POST", f"/chat/{conversation_id}/messages", body)
        response = await ada.call("POST", f"/chat/{conversation_id}/messages", body | other)
        refusal(response, 409, "KEY_REUSED", client_message_id="k1")
        assert (await ada.see(conversation_id))["head_sequence_id"] == 3

    async def test_it_is_another_one_from_somebody_else_or_elsewhere(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        here, there = await ada.create(bob), await ada.create()
        for who, where, sequence in ((ada, here, 2), (bob, here, 3), (ada, there, 2)):
            said = await who.say(where, f"{who.name}", client_message_id="k1")
            assert said == receipt(where, sequence, "k1")

    async def test_leaving_and_coming_back_changes_nothing(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        path, body = f"/chat/{conversation_id}/messages", {"content": "hi"}
        first = await bob.say(conversation_id, "hi", client_message_id="k1")
        await bob.leave(conversation_id)
        away = await bob.call("POST", path, body | {"client_message_id": "k1"})
        refusal(away, 404, "NOT_PARTICIPANT", client_message_id="k1")
        await bob.join(conversation_id)
        back = await bob.call("POST", path, body, headers={KEY: "k1"})
        assert (back.status_code, back.json()) == (200, first)

    async def test_many_at_once_store_it_once(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        answers: list[tuple[int, Frame]] = []

        async def post() -> None:
            body = {"content": "once", "client_message_id": "k1"}
            response = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
            answers.append((response.status_code, response.json()))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(post)
        assert sorted(status for status, _ in answers) == [200] * 19 + [201]
        assert all(body == receipt(conversation_id, 2, "k1") for _, body in answers)
        assert len({body["event_hash"] for _, body in answers}) == 1


class TestTheLog:
    @pytest.fixture
    async def ada(self, server: ServerProcess) -> Person:
        return await guest(server, "Ada")

    @pytest.fixture
    async def path(self, ada: Person) -> str:
        """Of a log with twelve events of every kind."""
        conversation_id = await ada.create()
        bob = await guest(ada.server, "Bob")
        await bob.join(conversation_id)
        for number in range(9):
            await ada.say(conversation_id, f"{number}")
        await bob.leave(conversation_id)
        return f"/chat/{conversation_id}/messages"

    @pytest.mark.parametrize(
        ("query", "expected", "has_more"),
        [
            ("", range(1, 13), False),
            ("?limit=5", range(8, 13), True),
            ("?after=0&limit=5", range(1, 6), True),
            ("?after=5&limit=5", range(6, 11), True),
            ("?after=7&limit=5", range(8, 13), False),
            ("?after=12", [], False),
            ("?after=9007199254740991", [], False),
            ("?before=13&limit=5", range(8, 13), True),
            ("?before=6&limit=5", range(1, 6), False),
            ("?before=6&limit=4", range(2, 6), True),
            ("?before=1", [], False),
            ("?before=0", [], False),
            ("?before=9007199254740991&limit=1", [12], True),
            ("?unknown=passed-over&limit=100", range(1, 13), False),
        ],
    )
    async def test_a_page_is_what_lies_between_its_bounds(
        self, ada: Person, path: str, query: str, expected: range, has_more: bool
    ) -> None:
        page = await ada.ask("GET", path + query)
        assert page.keys() == {
            *("events", "head_sequence_id", "has_more", "oldest_sequence_id"),
        }
        assert numbers(page["events"]) == list(expected)
        assert (page["head_sequence_id"], page["has_more"]) == (12, has_more)

    async def test_it_holds_every_kind_of_event_the_same_for_every_reader(
        self, ada: Person, path: str
    ) -> None:
        events = (await ada.ask("GET", path))["events"]
        kinds = ["conversation_created", "participant_joined", *["message"] * 9, "participant_left"]
        assert [event["type"] for event in events] == kinds
        times = [e["message"]["timestamp"] if "message" in e else e["timestamp"] for e in events]
        assert times == sorted(times)
        assert all(time == TIMESTAMP for time in times)
        cleo = await guest(ada.server, "Cleo")
        await cleo.join(path.split("/")[2])
        assert (await cleo.ask("GET", path + "?before=13"))["events"] == events

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("?after=1&before=3", "after and before exclude each other"),
            ("?after=-1", "after: "),
            ("?after=one", "after: "),
            ("?after=9007199254740992", "after: "),
            ("?before=1.5", "before: "),
            ("?limit=0", "limit: "),
            ("?limit=101", "limit: "),
        ],
    )
    async def test_a_page_that_cannot_be_is_refused(
        self, ada: Person, path: str, query: str, problem: str
    ) -> None:
        response = await ada.call("GET", path + query)
        body = refusal(response, 400, "MALFORMED_REQUEST", problem=response.json()["problem"])
        assert problem in body["error"]
