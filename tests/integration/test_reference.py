"""Real traffic is what the reference says: every answer and every frame of a running server is held against it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import trio

from salon.web.client import Client, Refused, Socket, connect
from tests.contract import FrameContract, HttpContract
from tests.patience import PATIENCE
from tests.server import ServerProcess, api

ADA, BOB, ADMIN = "test_token_1", "test_token_2", "admin_token"


class Witness:
    """Talks to a server and checks every answer."""

    def __init__(self, server: ServerProcess, openapi: Any, asyncapi: Any) -> None:
        self.server = server
        self.http = HttpContract(openapi)
        self.frames = FrameContract(asyncapi)

    async def call(
        self, method: str, path: str, token: str | None = None, json: Any = None, **options: Any
    ) -> httpx2.Response:
        response = await api(self.server, method, path, token, json, **options)
        self.http.check(method, path, response)
        return response

    async def receive(self, socket: Socket, until: str, **fields: Any) -> Any:
        """Take frames up to one of that type with those fields."""
        with trio.fail_after(PATIENCE):
            while True:
                frame = await socket.receive_json()
                self.frames.check_server(frame)
                if frame["type"] == until and fields.items() <= frame.items():
                    return frame

    async def say(self, socket: Socket, **frame: Any) -> None:
        self.frames.check_client(frame)
        await socket.send_json(frame)


async def witness(server: ServerProcess) -> Witness:
    documents = [
        (await api(server, "GET", path)).json() for path in ("/openapi.json", "/asyncapi.json")
    ]
    return Witness(server, *documents)


async def test_the_documents_say_where_they_were_asked_for(server: ServerProcess) -> None:
    document = (await api(server, "GET", "/asyncapi.json")).json()
    assert document["servers"]["salon"]["host"] == server.url.removeprefix("http://")
    assert document["servers"]["salon"]["protocol"] == "ws"


async def test_the_page_is_served_with_its_style(server: ServerProcess) -> None:
    page = await api(server, "GET", "/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "POST</b> <code>/chat/create" in page.text
    assert (await api(server, "GET", "/docs/reference.css")).status_code == 200


async def test_a_conversation_over_http_is_as_described(server: ServerProcess) -> None:
    see = await witness(server)
    body = {"title": "Dinner", "participants": [{"user_id": "test_user_2", "name": "Bob"}]}
    created = await see.call("POST", "/chat/create", ADA, body | {"metadata": {"a": [1]}})
    chat = f"/chat/{created.json()['conversation_id']}"

    keyed = {"content": "Hello", "client_message_id": "key", "metadata": {"b": None}}
    first = await see.call("POST", f"{chat}/messages", ADA, keyed)
    again = await see.call("POST", f"{chat}/messages", ADA, keyed)
    assert (first.status_code, again.status_code) == (201, 200)
    plain = {"content": "Well?", "reply_to": first.json()["message_id"]}
    await see.call("POST", f"{chat}/messages", BOB, plain, headers={"Idempotency-Key": "other"})
    await see.call("POST", f"{chat}/messages", BOB, {"content": "Hm"})
    await see.call("POST", f"{chat}/join", "test_token_3")
    await see.call("POST", f"{chat}/read", BOB, {"sequence_id": 3})
    await see.call("GET", "/chat/my-conversations?limit=1", ADA)
    await see.call("GET", chat.replace("/chat/", "/chat/conversations/"), ADA)
    page = await see.call("GET", f"{chat}/messages?after=0", ADA)
    await see.call("DELETE", f"{chat}/leave", "test_token_3")
    await see.call("GET", f"{chat}/messages", ADA)

    for event in page.json()["events"]:
        see.frames.check_server(event)
    assert see.frames.seen == {"conversation_created", "message", "participant_joined"}


async def test_refusals_over_http_are_as_described(server: ServerProcess) -> None:
    see = await witness(server)
    created = await see.call("POST", "/chat/create", ADA, {"title": "Dinner"})
    conversation_id = created.json()["conversation_id"]
    chat = f"/chat/{conversation_id}"
    await see.call("POST", f"{chat}/messages", ADA, {"content": "a", "client_message_id": "key"})

    for status, method, path, token, body in (
        (401, "POST", "/chat/create", None, {"title": "Dinner"}),
        (401, "GET", "/chat/my-conversations", "wrong", None),
        (400, "POST", "/chat/create", ADA, {"title": " "}),
        (400, "POST", "/chat/create", ADA, [1]),
        (413, "POST", "/chat/create", ADA, {"title": "x" * 300_000}),
        (400, "GET", "/chat/my-conversations?limit=0", ADA, None),
        (404, "GET", f"/chat/conversations/{conversation_id}", BOB, None),
        (404, "POST", f"{chat}/messages", BOB, {"content": "Hello"}),
        (409, "POST", f"{chat}/messages", ADA, {"content": "b", "client_message_id": "key"}),
        (413, "POST", f"{chat}/messages", ADA, {"content": "x" * 10_001}),
        (400, "POST", f"{chat}/messages", ADA, {"content": "Hello", "reply_to": "nothing"}),
        (409, "POST", f"{chat}/join", ADA, None),
        (404, "POST", "/chat/nothing/join", ADA, None),
        (404, "DELETE", f"{chat}/leave", BOB, None),
        (400, "GET", f"{chat}/messages?after=1&before=3", ADA, None),
        (400, "POST", f"{chat}/read", ADA, {"sequence_id": "3"}),
        (401, "POST", "/auth/recover", None, {"recovery_code": "wrong"}),
    ):
        response = await see.call(method, path, token, body)
        assert response.status_code == status, (method, path, response.text)
    foreign = {"Origin": "https://elsewhere.example"}
    assert (await see.call("POST", "/auth/guest", headers=foreign)).status_code == 403


async def test_load_and_rate_are_refused_as_described(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(
        LIMITS__MESSAGE_RATE="1",
        LIMITS__MESSAGE_BURST="2",
        LIMITS__MAX_PARTICIPANTS="1",
        LIMITS__CONVERSATIONS_PER_HOUR="1",
        AUTH__GUESTS="false",
    )
    see = await witness(server)
    created = await see.call("POST", "/chat/create", ADA, {"title": "Dinner"})
    chat = f"/chat/{created.json()['conversation_id']}"
    posts = [await see.call("POST", f"{chat}/messages", ADA, {"content": "a"}) for _ in range(3)]
    assert [post.status_code for post in posts] == [201, 201, 429]
    assert posts[2].json()["code"] == "RATE_LIMITED"
    assert int(posts[2].headers["Retry-After"]) >= 1
    assert (await see.call("POST", "/chat/create", ADA, {"title": "More"})).status_code == 429
    full = await see.call("POST", f"{chat}/join", BOB)
    assert full.json()["code"] == "CAPACITY_EXCEEDED"
    assert (await see.call("POST", "/auth/guest")).status_code == 403


async def test_identities_are_as_described(server: ServerProcess) -> None:
    see = await witness(server)
    guest = (await see.call("POST", "/auth/guest", json={"name": "Gil"})).json()
    code = {"recovery_code": guest["recovery_code"]}
    token = (await see.call("POST", "/auth/recover", json=code)).json()["token"]
    me = (await see.call("GET", "/auth/me", token)).json()
    assert me == {"id": guest["participant"]["id"], "name": "Gil", "admin": False}
    assert (await see.call("POST", "/auth/session", token)).json() == me
    ways = (await see.call("GET", "/auth/ways")).json()
    assert ways == {"guests": True, "providers": [], "agents": []}
    assert (await see.call("POST", "/auth/ticket", token)).json()["expires_in"] == 30
    assert (await see.call("POST", "/auth/logout", token)).status_code == 204
    assert (await see.call("GET", "/auth/me", token)).status_code == 401


async def test_health_and_administration_are_as_described(server: ServerProcess) -> None:
    see = await witness(server)
    await tokens_are_administered(see)
    created = await see.call("POST", "/chat/create", ADA, {"title": "Dinner"})
    conversation_id = created.json()["conversation_id"]
    refused = await see.call("GET", "/chat/conversations/nothing", ADA)
    for path in ("/health", "/ready", "/health/chat", "/metrics", "/docs", "/docs/reference.css"):
        await see.call("GET", path)
    await see.call("GET", "/asyncapi.json")
    async with Client(server.url, token=ADA).socket(conversation_id) as socket:
        connection_id = (await see.receive(socket, "connected"))["connection_id"]
        for path in (
            "actors?limit=100",
            "actors?sort=wrong",
            "conversations?limit=100&sort=-depth",
            "connections?limit=100&sort=stalled",
            f"conversations/{conversation_id}",
            f"conversations/{conversation_id}/events?limit=3",
            "audit",
            f"search?q={connection_id[:5]}",
            "search",
            "participants/test_user_1",
            f"refusals/{refused.json()['id']}",
            "stats",
        ):
            await see.call("GET", f"/admin/{path}", ADMIN)
            await see.call("GET", f"/admin/{path}", ADA)
        await see.call("DELETE", f"/admin/connections/{connection_id}", ADMIN)
    await see.call("POST", f"/admin/conversations/{conversation_id}/passivate", ADMIN)
    await see.call("POST", "/admin/conversations/nothing/passivate", ADMIN)


async def tokens_are_administered(see: Witness) -> None:
    wanted = {"id": "tom", "conversations": ["c"]}
    token_id = (await see.call("POST", "/admin/tokens", ADMIN, wanted)).json()["token_id"]
    for token in (ADMIN, ADA):
        await see.call("GET", "/admin/tokens?id=tom&limit=1", token)
        await see.call("DELETE", f"/admin/tokens/{token_id}", token)
        await see.call("DELETE", "/admin/tokens?id=tom", token)
        await see.call("PUT", "/admin/people/tom/block", token)
        await see.call("GET", "/admin/blocked", token)
        await see.call("DELETE", "/admin/people/tom/block", token)
    await see.call("DELETE", "/admin/people/tom/block", ADMIN)
    await see.call("POST", "/admin/tokens", ADMIN, {"id": ""})


async def test_frames_are_as_described(server: ServerProcess) -> None:
    see = await witness(server)
    body = {"title": "Dinner", "share_reads": True, "participants": [{"user_id": "test_user_2"}]}
    created = await see.call("POST", "/chat/create", ADA, body)
    conversation_id = created.json()["conversation_id"]
    chat = f"/chat/{conversation_id}"
    async with (
        Client(server.url, token=ADA).socket(conversation_id) as ada,
        Client(server.url, token=BOB).socket(conversation_id) as bob,
    ):
        for socket in (ada, bob):
            await see.receive(socket, "caught_up")
        await see.say(ada, type="message", content="Hello", client_message_id="key")
        await see.receive(ada, "message_ack")
        message = await see.receive(bob, "message")
        await see.say(ada, type="typing", is_typing=True)
        await see.receive(bob, "typing", is_typing=True)
        await see.say(bob, type="read", sequence_id=message["sequence_id"])
        await see.receive(ada, "read", participant_id="test_user_2")
        await see.say(ada, type="ping")
        await see.receive(ada, "pong")
        await see.call("PATCH", chat, ADA, {"title": "Supper", "metadata": None})
        await see.receive(bob, "conversation_updated", title="Supper")
        await see.call("POST", f"{chat}/join", "test_token_3")
        await see.call("DELETE", f"{chat}/leave", "test_token_3")
        await see.receive(ada, "participant_left")
        await see.say(ada, type="sync", last_sequence_id=0)
        await see.receive(ada, "caught_up")
        await see.say(ada, type="sync", last_sequence_id=2**53 - 1)
        await see.receive(ada, "connected", resume="reset")
        await see.receive(bob, "presence")
        await see.call("PATCH", f"{chat}/me", ADA, {"muted": True})
        await see.receive(ada, "preferences", muted=True)
        await an_identity_is_renewed(see, ada)
        await an_agent_answers(see, conversation_id, ada, bob)
        await messages_are_changed(see, conversation_id, ada)
        await members_are_moved(see, conversation_id, ada)
    held = {"message_held", "held_decided"}  # of a server that is configured to hold messages
    assert see.frames.server_types - see.frames.seen == {"lagging", "error"} | held


async def an_identity_is_renewed(see: Witness, ada: Socket) -> None:
    """A token that ends soon, and again one that does not."""
    wanted = {"id": "test_user_1", "name": "Ada", "expires_in": 30}
    short = (await see.call("POST", "/admin/tokens", ADMIN, wanted)).json()
    await see.say(ada, type="auth", token=short["token"])
    await see.receive(ada, "auth_ack", expires_at=short["expires_at"])
    await see.receive(ada, "auth_expiring", expires_at=short["expires_at"])
    await see.say(ada, type="auth", token=ADA)
    await see.receive(ada, "auth_ack")


async def messages_are_changed(see: Witness, conversation_id: str, ada: Socket) -> None:
    """Every event that changes a message, by its frame and by its route."""
    chat = f"/chat/{conversation_id}"
    sent = await see.call("POST", f"{chat}/messages", ADA, {"content": "helo"})
    message_id = sent.json()["message_id"]
    path = f"{chat}/messages/{message_id}"
    frames: list[dict[str, Any]] = [
        {"type": "message_edited", "content": "hello", "client_message_id": "edit"},
        {"type": "reaction_added", "emoji": "👍"},
        {"type": "message_pinned"},
        {"type": "message_unpinned"},
        {"type": "reaction_removed", "emoji": "👍"},
    ]
    for frame in frames:
        await see.say(ada, message_id=message_id, **frame)
        await see.receive(ada, "change_ack")
        await see.receive(ada, frame["type"])
    await see.call("PATCH", path, ADA, {"content": "Hello!", "revision": 2})
    for method in ("PUT", "DELETE"):
        await see.call(method, f"{path}/reactions/:tada:", ADA)
        await see.call(method, f"{path}/pin", ADA)
    reply = {"content": "under it", "thread_id": message_id}
    await see.call("POST", f"{chat}/messages", ADA, reply)
    await see.call("GET", f"{chat}/threads/{message_id}", ADA)
    await see.call("POST", f"{chat}/read", ADA, {"sequence_id": 9, "thread_id": message_id})
    await see.say(ada, type="message_deleted", message_id=message_id, reason="Old.")
    await see.receive(ada, "message_deleted")
    await see.call("DELETE", path, ADA, {"reason": "Again."})


async def members_are_moved(see: Witness, conversation_id: str, ada: Socket) -> None:
    """Every event about members, and every route that leads to one."""
    chat = f"/chat/{conversation_id}"
    bob, dan = f"{chat}/participants/test_user_2", f"{chat}/participants/test_user_3"
    await see.call("POST", f"{bob}/role", ADA, {"role": "moderator", "reason": "Helps."})
    await see.receive(ada, "participant_role_changed", role="moderator")
    await see.call("PUT", f"{bob}/mute", ADA, {"until": "2099-01-01T00:00:00Z"})
    await see.receive(ada, "participant_muted")
    await see.call("GET", f"{chat}/mutes", ADA)
    await see.call("DELETE", f"{bob}/mute", ADA)
    await see.receive(ada, "participant_unmuted")
    made = await see.call("POST", f"{chat}/invites", ADA, {"max_uses": 1})
    await see.receive(ada, "invite_created")
    await see.call("GET", f"{chat}/invites", ADA)
    await see.call("POST", made.json()["url"], "test_token_3")
    await see.receive(ada, "participant_joined")
    await see.call("POST", made.json()["url"], "test_token_4")
    made = await see.call("POST", f"{chat}/invites", ADA, {})
    await see.call("DELETE", f"{chat}/invites/{made.json()['code']}", ADA)
    await see.receive(ada, "invite_revoked")
    await see.call("DELETE", dan, ADA, {"reason": "Spam."})
    await see.receive(ada, "participant_removed", reason="Spam.")
    await see.call("PUT", f"{dan}/ban", ADA, {})
    await see.receive(ada, "participant_banned")
    await see.call("GET", f"{chat}/bans", ADA)
    await see.call("POST", f"{chat}/join", "test_token_3")
    await see.call("DELETE", f"{dan}/ban", ADA)
    await see.receive(ada, "participant_unbanned")
    closed = {"title": "Closed", "join": "invite"}
    other = (await see.call("POST", "/chat/create", ADA, closed)).json()["conversation_id"]
    requests = f"/chat/{other}/join-requests"
    async with Client(see.server.url, token=ADA).socket(other) as socket:
        for answer in ("deny", "approve"):
            token, who = (
                ("test_token_3", "test_user_3") if answer == "deny" else (BOB, "test_user_2")
            )
            await see.call("POST", requests, token, {"reason": "Please."})
            await see.receive(socket, "join_requested")
            await see.call("GET", requests, ADA)
            await see.call("POST", f"{requests}/{who}/{answer}", ADA, {})
            await see.receive(socket, "join_denied" if answer == "deny" else "participant_joined")
    await see.call("POST", "/chat/direct", ADA, {"user_id": "test_user_2"})


async def an_agent_answers(see: Witness, conversation_id: str, ada: Socket, bob: Socket) -> None:
    """Every frame that has to do with an agent, of three runs: complete, cancelled and failed."""
    chat = f"/chat/{conversation_id}"
    await see.call("POST", f"{chat}/join", ADA, {"participant": {"user_id": "test_agent"}})
    async with Client(see.server.url, token="agent_token").socket(conversation_id) as agent:
        await see.receive(agent, "caught_up")
        await see.call("PATCH", f"{chat}/agents/test_agent", ADA, {"trigger": "always"})
        await see.receive(bob, "agent_updated")
        await see.say(ada, type="message", content="Well?")
        asked = await see.receive(agent, "run_requested")
        about = {"run_id": asked["run_id"]}
        await see.say(agent, type="run_start", **about, reply_to=asked["message_id"])
        await see.receive(agent, "run_ack", status="open")
        await see.say(agent, type="run_status", **about, state="tool", label="looks")
        await see.receive(bob, "run_status")
        call = {"approval_id": "a", "tool": "pay", "arguments": {"amount": 5}}
        await see.say(
            agent, type="run_status", **about, state="waiting_for_approval", approval=call
        )
        await see.receive(bob, "run_status", approval=call)
        await see.say(ada, type="approval", **about, approval_id="a", approved=True)
        await see.receive(agent, "approval", approved=True)
        await see.say(agent, type="delta", **about, offset=0, text="So")
        await see.receive(bob, "delta")
        results = [{"url": "https://example.com/", "name": "Fish", "schema_object": {"a": 1}}]
        await see.say(
            agent, type="run_end", **about, offset=2, usage={"tokens": 1}, results=results
        )
        await see.receive(agent, "run_ack", status="complete")
        await see.say(agent, type="run_start", run_id="r")
        await see.say(agent, type="delta", run_id="r", offset=0, text="I")
        await see.receive(bob, "delta", run_id="r")
        await see.say(ada, type="cancel", run_id="r")
        await see.receive(agent, "cancel", run_id="r")
        await see.receive(ada, "run_ack", status="cancelled")
        await see.say(agent, type="run_start", run_id="s")
        await see.say(agent, type="run_end", run_id="s")
        await see.receive(bob, "run_failed", run_id="s")


async def test_runs_over_http_are_as_described(server: ServerProcess) -> None:
    see = await witness(server)
    body = {"title": "Dinner", "participants": [{"user_id": "test_agent"}]}
    created = await see.call("POST", "/chat/create", ADA, body)
    chat = f"/chat/{created.json()['conversation_id']}"
    asked = (await see.call("POST", f"{chat}/messages", ADA, {"content": "Well?"})).json()
    start = {"run_id": "r", "reply_to": asked["message_id"]}
    for _ in range(2):
        await see.call("POST", f"{chat}/runs", "agent_token", start)
    await see.call("POST", f"{chat}/runs/r/status", "agent_token", {"state": "thinking"})
    wait = {"state": "waiting_for_approval", "approval": {"approval_id": "a", "tool": "pay"}}
    await see.call("POST", f"{chat}/runs/r/status", "agent_token", wait)
    for approved in (True, True, False):
        decision = {"approval_id": "a", "approved": approved}
        await see.call("POST", f"{chat}/runs/r/approval", ADA, decision)
    await see.call("POST", f"{chat}/runs/r/delta", "agent_token", {"offset": 0, "text": "So"})
    await see.call("POST", f"{chat}/runs/r/delta", "agent_token", {"offset": 9, "text": "So"})
    await see.call("POST", f"{chat}/runs/r/cancel", BOB)
    await see.call("POST", f"{chat}/runs/r/end", "agent_token", {"offset": 2})
    await see.call("POST", f"{chat}/runs/r/delta", "agent_token", {"offset": 2, "text": "So"})
    await see.call("POST", f"{chat}/runs/r/cancel", ADA)
    await see.call("POST", f"{chat}/runs/r/regenerate", ADA)
    await see.call("POST", f"{chat}/runs/none/end", "agent_token")
    await see.call("POST", f"{chat}/runs", ADA, {"run_id": "s"})
    await see.call("PATCH", f"{chat}/agents/test_agent", ADA, {"agents_may_call": 1})
    await see.call("PATCH", f"{chat}/agents/nobody", ADA, {"trigger": "never"})
    await see.call("PATCH", f"{chat}/agents/test_agent", ADA, {})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[]", "INVALID_FORMAT"),
        ('{"type":"fly"}', "UNKNOWN_TYPE"),
        ('{"type":"message"}', "INVALID_FORMAT"),
        ('{"type":"message","content":"%s"}' % ("x" * 10_001), "MESSAGE_TOO_LARGE"),
    ],
)
async def test_errors_are_as_described(server: ServerProcess, text: str, code: str) -> None:
    see = await witness(server)
    created = await see.call("POST", "/chat/create", ADA, {"title": "Dinner"})
    async with Client(server.url, token=ADA).socket(created.json()["conversation_id"]) as socket:
        await socket.send_text(text)
        assert (await see.receive(socket, "error"))["code"] == code


@pytest.mark.parametrize(
    ("token", "query", "origin", "code"),
    [
        (None, "", None, "UNAUTHENTICATED"),
        (ADA, "?token=x", None, "UNAUTHENTICATED"),
        (BOB, "", None, "FORBIDDEN"),
        (ADA, "?last_sequence_id=-1", None, "MALFORMED_REQUEST"),
        (ADA, "", "https://elsewhere.example", "ORIGIN_NOT_ALLOWED"),
        (ADA, "x", None, "NOT_FOUND"),
    ],
)
async def test_refused_handshakes_are_as_described(
    server: ServerProcess, token: str | None, query: str, origin: str | None, code: str
) -> None:
    see = await witness(server)
    created = await see.call("POST", "/chat/create", ADA, {"title": "Dinner"})
    url = f"{server.url}/chat/ws/{created.json()['conversation_id']}{query}"
    headers = [("Authorization", f"Bearer {token}")] if token else []
    headers += [("Origin", origin)] if origin else []
    with pytest.raises(Refused) as refused:
        async with connect(url, headers=headers):
            pass
    assert refused.value.code == code
    channel = (await api(server, "GET", "/asyncapi.json")).json()["channels"]["conversation"]
    described = {(each["status"], each["code"]) for each in channel["x-refusals"]}
    assert (refused.value.status, code) in described
