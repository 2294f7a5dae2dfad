"""The rules of files: which a message may carry, and how its event shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .files import SENDABLE
from .messages import Post
from .refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set

    from .files import Attachment, StoredFile
    from .limits import Limits
    from .mailbox import Letter

    FileOf = Callable[[str], StoredFile | None]


def attached(post: Post, at: int, limits: Limits, file_of: FileOf) -> str | Refusal:
    """The files of a message as the JSON text of its event; or why it may not carry them.

    A file that a message with the same key has already is no reason to refuse: it is the same message.
    """
    files = post.files
    if limits.files_per_message and len(files) > limits.files_per_message:
        problem = f"files: has {len(files)} files; at most {limits.files_per_message} are allowed"
        return Refusal(Code.INVALID_FORMAT, {"problem": problem}, key=post.key)
    if len({each.file_id for each in files}) < len(files):
        return Refusal(Code.INVALID_FORMAT, {"problem": "files: names a file twice"}, key=post.key)
    views = []
    for each in files:
        file = file_of(each.file_id)
        again = file is not None and file.sequence and post.key is not None and file.key == post.key
        # Nobody learns of a file that others have uploaded and not sent.
        if file is None or file.uploader != post.sender.id or (file.gone and not again):
            return Refusal(Code.FILE_NOT_FOUND, {"file_id": each.file_id}, key=post.key)
        if file.sequence and not again:
            return Refusal(Code.FILE_ALREADY_SENT, {"file_id": each.file_id}, key=post.key)
        if not file.sequence and at > file.uploaded_at + SENDABLE:
            return Refusal(Code.FILE_NOT_FOUND, {"file_id": each.file_id}, key=post.key)
        views.append(shown(file, each))
    return json.dumps(views, ensure_ascii=False, separators=(",", ":"))


def shown(file: StoredFile, attachment: Attachment) -> dict[str, Any]:
    """A file as its message shows it."""
    fields: dict[str, Any] = {
        "file_id": file.file_id,
        "name": file.name,
        "media_type": file.media_type,
        "size": file.size,
        "width": file.width,
        "height": file.height,
        "alt": attachment.alt,
    }
    return {name: value for name, value in fields.items() if value is not None}


def files_named(letters: Sequence[Letter]) -> Set[str]:
    """The ids of the files that these commands name; they are looked up before the turn."""
    names = [
        each.file_id
        for letter in letters
        if type(command := letter.message) is Post and command.files
        for each in command.files
    ]
    return frozenset(names)
