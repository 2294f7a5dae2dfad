"""A conversation that its owner deletes is gone for everybody, at once and for good."""

from __future__ import annotations

from tests.person import Frame, admin, guests
from tests.server import ServerProcess
from tests.shape import refusal


async def test_a_deleted_conversation_is_nowhere_any_more(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob, title="Zebra crossing")
    said = await bob.say(conversation_id, f"@{ada.name} about the zebra", client_message_id="k1")
    invite = await ada.ask("POST", f"/chat/{conversation_id}/invites", {})
    async with ada.tab(conversation_id) as hers, bob.tab(conversation_id) as his:
        answer = await ada.ask("DELETE", f"/chat/{conversation_id}")
        assert answer == {"success": True, "conversation_id": conversation_id}
        assert await hers.closed() == (4503, "the conversation was deleted")
        assert await his.closed() == (4503, "the conversation was deleted")
    message = f"/chat/{conversation_id}/messages/{said['message_id']}"
    requests: list[tuple[str, str, Frame | None]] = [
        ("GET", f"/chat/conversations/{conversation_id}", None),
        ("GET", f"/chat/{conversation_id}/messages", None),
        ("POST", f"/chat/{conversation_id}/messages", {"content": "hello?"}),
        (
            "POST",
            f"/chat/{conversation_id}/messages",
            {"content": f"@{ada.name} about the zebra", "client_message_id": "k1"},
        ),
        ("PATCH", message, {"content": "x"}),
        ("DELETE", message, None),
        ("PUT", f"{message}/reactions/👍", None),
        ("GET", f"/chat/{conversation_id}/threads/{said['message_id']}", None),
        ("POST", f"/chat/{conversation_id}/join", {}),
        ("POST", f"/chat/{conversation_id}/read", {"sequence_id": 1}),
        ("GET", f"/chat/{conversation_id}/participants", None),
        ("PATCH", f"/chat/{conversation_id}", {"title": "again"}),
        ("DELETE", f"/chat/{conversation_id}/leave", None),
        ("DELETE", f"/chat/{conversation_id}", None),
        ("POST", f"/invites/{invite['code']}", None),
    ]
    for who in (ada, bob):
        for method, path, body in requests:
            response = await who.call(method, path, body)
            assert response.status_code == 404, (method, path, response.text)
        assert (await who.ask("GET", "/chat/my-conversations"))["conversations"] == []
        assert (await who.ask("GET", "/chat/search?q=zebra"))["hits"] == []
    root = admin(server)
    response = await root.call("GET", f"/admin/conversations/{conversation_id}")
    refusal(response, 404, "NOT_FOUND")
    deeds = (await root.ask("GET", "/admin/audit"))["deeds"]
    noted = [(each["operator_id"], each["action"], each["target"]) for each in deeds]
    assert (ada.id, "DeleteConversation", conversation_id) in noted


async def test_only_an_owner_deletes_and_nobody_a_direct_conversation(
    server: ServerProcess,
) -> None:
    ada, bob, cleo, eve = await guests(server, "Ada", "Bob", "Cleo", "Eve")
    conversation_id = await ada.create(bob)
    await ada.ask(
        "POST", f"/chat/{conversation_id}/join", {"participant": cleo.entry(role="moderator")}
    )
    for who in (bob, cleo):
        refusal(await who.call("DELETE", f"/chat/{conversation_id}"), 403, "FORBIDDEN")
    refusal(await eve.call("DELETE", f"/chat/{conversation_id}"), 404, "NOT_FOUND")
    direct = await ada.ask("POST", "/chat/direct", {"user_id": bob.id})
    response = await ada.call("DELETE", f"/chat/{direct['conversation_id']}")
    refusal(response, 403, "DIRECT_CONVERSATION")
    assert (await bob.see(conversation_id))["participant_count"] == 3
