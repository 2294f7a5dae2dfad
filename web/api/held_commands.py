"""Held messages as JSON text in the store, and as commands again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from salon.actors.change_messages import EditMessage
from salon.actors.files import Attachment
from salon.actors.messages import Post

if TYPE_CHECKING:
    from salon.actors.held import HeldKind, HeldMessage


def details_of(command: Post | EditMessage) -> tuple[HeldKind, str]:
    """The kind of a held command, and all of it but sender, content and key."""
    if isinstance(command, Post):
        fields = command._asdict()
        named = "reply_to", "metadata", "mentions", "thread_id", "in_channel", "files"
        return "message", json.dumps({name: fields[name] for name in named})
    # Its revision is left out: who decides has seen the text, and time has passed.
    edit = {
        "message_id": command.message_id,
        "metadata": command.metadata,
        "mentions": command.mentions,
    }
    return "edit", json.dumps(edit)


def key_of(held: HeldMessage) -> str:
    """The key by which the conversation has a held message once it is posted."""
    return held.key or f"held:{held.position}"


def command_again(held: HeldMessage) -> Post | EditMessage:
    """The command of a held message. It always has a key, so that it is stored once however often it is approved."""
    fields, key = json.loads(held.details), key_of(held)
    if held.kind == "edit":
        return EditMessage(
            held.conversation_id,
            held.sender,
            fields["message_id"],
            held.content,
            fields["metadata"],
            None,
            tuple(fields["mentions"]),
            key,
        )
    return Post(
        held.conversation_id,
        held.sender,
        held.content,
        key,
        fields["reply_to"],
        fields["metadata"],
        tuple(fields["mentions"]),
        fields["thread_id"],
        fields["in_channel"],
        tuple(Attachment(*each) for each in fields["files"]),
    )
