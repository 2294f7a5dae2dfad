"""Who may do what, as one table: route by role by rank, each cell a request to a server.

A row names a request, the least role that may make it, and whether it acts on a person, whom its sender must then outrank. To
add a row is to try it for every role, on every rank, with the usual table, with a stricter one and for those who are outside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from salon.actors.rights import LEAST, RANK
from tests.person import Person, guests
from tests.server import ServerProcess

ROLES = ("observer", "member", "moderator", "owner")
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


@dataclass(frozen=True, slots=True)
class Row:
    """One request. `action` names its row of the table of rights; None where only an owner may, whatever the table says."""

    method: str
    path: str
    body: Any
    action: str | None
    on_target: bool = False
    prepare: Prepare = nothing
    success: int = 200

    def least(self, permissions: dict[str, str]) -> str:
        if self.action is None:
            return "owner"
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
        names = {"target": scene.target.id, "other": scene.other.id, "made": made}
        body = self.body(scene) if callable(self.body) else self.body
        response = await scene.actor.call(self.method, scene.path + self.path.format(**names), body)
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
    "react": Row("PUT", "/messages/{made}/reactions/👍", None, "react", prepare=said_by_target),
    "pin": Row("PUT", "/messages/{made}/pin", None, "pin", prepare=said_by_target),
    "unpin": Row("DELETE", "/messages/{made}/pin", None, "pin", prepare=pinned),
    "rename": Row("PATCH", "", {"title": "Supper"}, "rename"),
    "set metadata": Row("PATCH", "", {"metadata": {"a": 1}}, "rename"),
    "delete the conversation": Row("DELETE", "", None, None),
    "set permissions": Row("PATCH", "", {"permissions": {"pin": "member"}}, None),
    "set history": Row("PATCH", "", {"history": "since_join"}, None),
    "set slow mode": Row("PATCH", "", {"slow_mode": 5}, "mute"),
    "bring in": Row("POST", "/join", lambda scene: {"participant": scene.other.entry()}, "invite"),
    "make an invite": Row("POST", "/invites", {}, "invite", success=201),
    "list invites": Row("GET", "/invites", None, "invite"),
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


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", ROWS)
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


@pytest.mark.parametrize("action", sorted({row.action for row in ROWS.values() if row.action}))
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
