"""Who may do what, as one table: route by role by rank, each cell a request to a server.

A row names a request, the least role that may make it, and whether it acts on a person, whom its sender must then outrank. To
add a row is to try it for every role, on every rank, with the usual table, with a stricter one and for those who are outside.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from salon.actors.rights import ACTIONS, LEAST, RANK
from tests.person import Person, guests
from tests.server import ServerProcess, api

ROLES = ("observer", "member", "moderator", "owner")
OWNERS, ALL = "owners", "all"
FIXED = {OWNERS: "owner", ALL: "observer"}
DOT = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
Prepare = Callable[["Scene"], Awaitable[str]]  # gives what `{made}` in a path stands for


@dataclass(frozen=True, slots=True)
class Scene:
    """A conversation, who acts in it, and on whom."""

    id: str
    owner: Person
    actor: Person
    target: Person
    other: Person  # who is no member
    permissions: dict[str, str]

    @property
    def path(self) -> str:
        return f"/chat/{self.id}"


async def nothing(scene: Scene) -> str:
    """Nothing has to be there first."""
    return ""


async def banned_other(scene: Scene) -> str:
    await scene.owner.ask("PUT", f"{scene.path}/participants/{scene.other.id}/ban", {})
    return ""


async def muted_target(scene: Scene) -> str:
    """The target is muted, if anybody can mute them."""
    await scene.owner.call("PUT", f"{scene.path}/participants/{scene.target.id}/mute", {})
    return ""


async def asked(scene: Scene) -> str:
    await scene.other.ask("POST", f"{scene.path}/join-requests", {})
    return ""


async def said_by(who: Person, scene: Scene) -> str:
    """A message of this person's, whatever the table says; of the owner's where they are no member."""
    usual = {"post": scene.permissions.get("post")}
    await scene.owner.ask("PATCH", scene.path, {"permissions": {"post": "observer"}})
    response = await who.call("POST", f"{scene.path}/messages", {"content": "said"})
    if response.status_code == 404:
        response = await scene.owner.call("POST", f"{scene.path}/messages", {"content": "said"})
    await scene.owner.ask("PATCH", scene.path, {"permissions": usual})
    return str(response.json()["message_id"])


async def said_by_actor(scene: Scene) -> str:
    return await said_by(scene.actor, scene)


async def said_by_target(scene: Scene) -> str:
    return await said_by(scene.target, scene)


async def pinned(scene: Scene) -> str:
    made = await said_by(scene.owner, scene)
    await scene.owner.ask("PUT", f"{scene.path}/messages/{made}/pin")
    return made


async def rooted(scene: Scene) -> str:
    """A message with a reply in its thread."""
    made = await said_by(scene.owner, scene)
    reply = {"content": "a reply", "thread_id": made}
    await scene.owner.ask("POST", f"{scene.path}/messages", reply)
    return made


async def invited(scene: Scene) -> str:
    return str((await scene.owner.ask("POST", f"{scene.path}/invites", {}))["invite_id"])


async def with_picture(scene: Scene) -> str:
    """A picture of the owner's in a message."""
    view = await scene.owner.ask("POST", f"{scene.path}/files?name=dot.png", content=DOT)
    body = {"content": "", "files": [{"file_id": view["file_id"]}]}
    await scene.owner.ask("POST", f"{scene.path}/messages", body)
    return str(view["file_id"])


@dataclass(frozen=True, slots=True)
class Row:
    """One request. `action` names its row of the table of rights.

    It is `OWNERS` or `ALL` where only an owner may, or every member, whatever the table says.
    """

    method: str
    path: str
    body: Any
    action: str
    on_target: bool = False
    prepare: Prepare = nothing
    success: int = 200
    content: bytes | None = None

    def least(self, permissions: dict[str, str]) -> str:
        if self.action in FIXED:
            return FIXED[self.action]
        return permissions.get(self.action, LEAST[self.action])  # type: ignore[call-overload, no-any-return]

    def expected(self, role: str | None, target: str, permissions: dict[str, str]) -> int:
        """The status for a sender of this role, None for an outsider, on a target of that role."""
        if role is None:
            return 404
        if RANK[role] < RANK[self.least(permissions)]:  # type: ignore[index]
            return 403
        if self.on_target and RANK[role] <= RANK[target]:  # type: ignore[index]
            return 403
        return self.success

    async def ask(self, scene: Scene) -> int:
        made = await self.prepare(scene)
        names = {"target": scene.target.id, "other": scene.other.id, "made": made, "emoji": "👍"}
        body = self.body(scene) if callable(self.body) else self.body
        raw = {} if self.content is None else {"content": self.content}
        path = self.path.format(**names)
        where = path.removeprefix("=") + scene.id if path.startswith("=") else scene.path + path
        response = await scene.actor.call(self.method, where, body, **raw)
        return response.status_code


ROWS = {
    "post": Row("POST", "/messages", {"content": "hello"}, "post", success=201),
    "edit one's own": Row(
        "PATCH", "/messages/{made}", {"content": "so"}, "edit_own", prepare=said_by_actor
    ),
    "delete one's own": Row(
        "DELETE", "/messages/{made}", None, "delete_own", prepare=said_by_actor
    ),
    "delete another's": Row(
        "DELETE", "/messages/{made}", None, "delete_any", on_target=True, prepare=said_by_target
    ),
    "react": Row(
        "PUT", "/messages/{made}/reactions/{emoji}", None, "react", prepare=said_by_target
    ),
    "react no more": Row(
        "DELETE", "/messages/{made}/reactions/{emoji}", None, ALL, prepare=said_by_target
    ),
    "pin": Row("PUT", "/messages/{made}/pin", None, "pin", prepare=said_by_target),
    "unpin": Row("DELETE", "/messages/{made}/pin", None, "pin", prepare=pinned),
    "rename": Row("PATCH", "", {"title": "Supper"}, "rename"),
    "set metadata": Row("PATCH", "", {"metadata": {"a": 1}}, "rename"),
    "delete the conversation": Row("DELETE", "", None, OWNERS),
    "set permissions": Row("PATCH", "", {"permissions": {"pin": "member"}}, OWNERS),
    "set history": Row("PATCH", "", {"history": "since_join"}, OWNERS),
    "set slow mode": Row("PATCH", "", {"slow_mode": 5}, "mute"),
    "bring in": Row("POST", "/join", lambda scene: {"participant": scene.other.entry()}, "invite"),
    "make an invite": Row("POST", "/invites", {}, "invite", success=201),
    "list invites": Row("GET", "/invites", None, "invite"),
    "end an invite of somebody else's": Row(
        "DELETE", "/invites/{made}", None, "remove", prepare=invited
    ),
    "list requests": Row("GET", "/join-requests", None, "invite"),
    "approve": Row("POST", "/join-requests/{other}/approve", {}, "invite", prepare=asked),
    "deny": Row("POST", "/join-requests/{other}/deny", {}, "invite", prepare=asked),
    "list bans": Row("GET", "/bans", None, "ban"),
    "list mutes": Row("GET", "/mutes", None, "mute"),
    "remove": Row("DELETE", "/participants/{target}", None, "remove", on_target=True),
    "ban": Row("PUT", "/participants/{target}/ban", {}, "ban", on_target=True),
    "ban an outsider": Row("PUT", "/participants/{other}/ban", {}, "ban"),
    "unban": Row("DELETE", "/participants/{other}/ban", None, "ban", prepare=banned_other),
    "mute": Row("PUT", "/participants/{target}/mute", {}, "mute", on_target=True),
    "unmute": Row(
        "DELETE", "/participants/{target}/mute", None, "mute", on_target=True, prepare=muted_target
    ),
    "set a role": Row(
        "POST",
        "/participants/{target}/role",
        {"role": "observer"},
        "change_roles",
        on_target=True,
    ),
}
ROWS |= {
    "upload": Row("POST", "/files?name=dot.png", None, "post", success=201, content=DOT),
    "read a file": Row("GET", "/files/{made}", None, ALL, prepare=with_picture),
    "read a preview": Row("GET", "/files/{made}/preview", None, ALL, prepare=with_picture),
    "list members": Row("GET", "/participants", None, "read_members"),
    "look at it": Row("GET", "=/chat/conversations/", None, ALL),
    "read the log": Row("GET", "/messages", None, ALL),
    "read a thread": Row("GET", "/threads/{made}", None, ALL, prepare=rooted),
    "mark as read": Row("POST", "/read", {"sequence_id": 1}, ALL),
    "list what is held": Row("GET", "/held", None, ALL),
    "report": Row(
        "POST", "/messages/{made}/report", {"reason": "x"}, ALL, prepare=said_by_target, success=201
    ),
    "keep it for oneself": Row("PATCH", "/me", {"pinned": True}, ALL),
    "leave": Row("DELETE", "/leave", None, ALL),
}
# What the table cannot ask for: another setting or an agent is needed, or the answer has no end. Where it is asked for instead.
ELSEWHERE = {
    "POST /chat/{}/join-requests": "test_invites.py: for those who are no members",
    "POST /chat/{}/held/{}/approve": "test_moderation.py",
    "POST /chat/{}/held/{}/deny": "test_moderation.py",
    "GET /chat/{}/events": "test_event_streams.py",
    "PATCH /chat/{}/agents/{}": "test_agents.py",
    "POST /chat/{}/runs": "test_agents.py",
    "POST /chat/{}/runs/{}/delta": "test_agents.py",
    "POST /chat/{}/runs/{}/status": "test_agents.py",
    "POST /chat/{}/runs/{}/approval": "test_agent_tools.py",
    "POST /chat/{}/runs/{}/end": "test_agents.py",
    "POST /chat/{}/runs/{}/cancel": "test_agents.py",
    "POST /chat/{}/runs/{}/regenerate": "test_agents.py",
}
TABLES: dict[str, dict[str, str]] = {
    "as usual": {},
    "by moderators": dict.fromkeys(LEAST, "moderator"),
    "by members": dict.fromkeys(LEAST, "member"),
}


async def scene_of(
    people: list[Person], role: str | None, target: str, permissions: dict[str, str]
) -> Scene:
    """A new conversation, in which the actor and the target have these roles."""
    owner, actor, other_member, other = people
    given = [
        (person, wanted)
        for person, wanted in ((actor, role), (other_member, target))
        if wanted is not None
    ]
    entries = [
        person.entry(role="moderator" if wanted == "owner" else wanted) for person, wanted in given
    ]
    body = {
        "title": "Lunch",
        "participants": entries,
        "permissions": permissions,
        "join": "invite",
    }
    id = str((await owner.ask("POST", "/chat/create", body))["conversation_id"])
    for person, wanted in given:
        if wanted == "owner":
            path = f"/chat/{id}/participants/{person.id}/role"
            await owner.ask("POST", path, {"role": "owner"})
    return Scene(id, owner, actor, other_member, other, permissions)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        (name, table)
        for name, row in ROWS.items()
        for table in TABLES
        if row.action != ALL or table == "as usual"
    ],
)
async def test_each_role_may_do_what_the_table_says_and_only_to_lower_ranks(
    server: ServerProcess, name: str, table: str
) -> None:
    row, permissions = ROWS[name], TABLES[table]
    people = await guests(server, "Ada", "Bob", "Cleo", "Dan")
    made, expected = {}, {}
    for role in (None, *ROLES):
        for target in ROLES if row.on_target else ("member",):
            scene = await scene_of(people, role, target, permissions)
            made[role, target] = await row.ask(scene)
            expected[role, target] = row.expected(role, target, permissions)
    assert made == expected


async def test_every_request_about_a_conversation_is_in_the_table(server: ServerProcess) -> None:
    document = (await api(server, "GET", "/openapi.json")).json()
    asked_for = {
        f"{method.upper()} {re.sub('{[^}]*}', '{}', path)}"
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/chat/") and "{conversation_id}" in path
    }
    in_table = {
        f"{row.method} {re.sub('{[^}]*}', '{}', row.path.partition('?')[0])}".replace(
            " ", " /chat/{}"
        )
        if not row.path.startswith("=")
        else f"{row.method} {row.path[1:]}{{}}"
        for row in ROWS.values()
    }
    assert asked_for == in_table | ELSEWHERE.keys()
    assert {row.action for row in ROWS.values()} == {*ACTIONS, *FIXED}


@pytest.mark.parametrize("action", ACTIONS)
async def test_what_is_returned_with_the_conversation_is_what_happens(
    server: ServerProcess, action: str
) -> None:
    people = await guests(server, "Ada", "Bob", "Cleo", "Dan")
    rows = [row for row in ROWS.values() if row.action == action and not row.on_target]
    for role in ROLES:
        scene = await scene_of(people, role, "observer", {action: "moderator"})
        seen = await scene.actor.see(scene.id)
        assert seen["permissions"] == {**LEAST, action: "moderator"}
        assert (action in seen["may"]) == (role in ("moderator", "owner"))
        for row in rows:
            scene = await scene_of(people, role, "observer", {action: "moderator"})
            assert ((await row.ask(scene)) == row.success) == (action in seen["may"])
