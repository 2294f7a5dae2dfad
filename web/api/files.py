"""The routes of files: upload, read, preview. A message then names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response, tag

from salon.actors.file_rules import shown
from salon.actors.files import Attachment
from salon.actors.member_rules import silenced
from salon.actors.refusals import Code, Refusal
from salon.actors.rights import first_readable, may

from ..files import INLINE, Upload, header_name
from ..http import (
    BinaryContent,
    NoContent,
    Picture,
    Refused,
    answer,
    content_answer,
    document_upload,
    query,
    refusals,
    refuse_encoded,
    sent_file,
)
from . import schemas

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from salon.actors.files import StoredFile
    from salon.actors.model import State

    from ..files import FileShelf
    from ..http import Parts
    from ..identity import Identity

# A file comes from anybody. Opened by itself it is a page of this origin: the policy takes from it whatever a page may do.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SAVED = "application/octet-stream"
UPLOAD = (
    Code.MALFORMED_REQUEST,
    Code.FORBIDDEN,
    Code.MUTED,
    Code.NOT_FOUND,
    Code.REQUEST_TIMEOUT,
    Code.UNSUPPORTED_ENCODING,
    Code.FILE_TOO_LARGE,
    Code.FILE_KIND_NOT_ALLOWED,
    Code.PICTURE_TOO_LARGE,
    Code.TOO_MANY_FILES,
    Code.TOO_MANY_UPLOADS,
    Code.FILE_QUOTA_EXCEEDED,
    Code.DRAINING,
    Code.STORE_UNAVAILABLE,
)


def file_routes(parts: Parts) -> Blueprint:
    """The routes of the files of one conversation."""
    assert parts.files is not None, "a server with routes has a place for files"
    routes = Blueprint("files", __name__, url_prefix="/chat/<conversation_id>/files")
    _add_upload(routes, parts, parts.files)
    _add_read(routes, parts, parts.files)
    _add_preview(routes, parts, parts.files)
    return routes


def _add_upload(routes: Blueprint, parts: Parts, shelf: FileShelf) -> None:
    @routes.post("")
    @tag(["files"])
    @document_querystring(schemas.UploadQuery)
    @document_upload
    @document_response(schemas.FileView, 201)
    @refusals(*UPLOAD)
    async def upload(conversation_id: str) -> Response:
        """Upload a file, as the whole body or as the first file of a form. Name its `file_id` in a message within a day.

        What it is, is read from its bytes. Until then only the caller sees it.
        """
        identity = parts.caller()
        state = await _entered(parts, identity, conversation_id)
        if not may(state, state.members[identity.participant.id], "post"):
            raise parts.refusal(Code.FORBIDDEN)
        muted = silenced(state, identity.participant.id, parts.directory.sources.now())
        if muted is not None:
            raise Refused(muted)
        if parts.directory.draining is not None:
            wait = parts.directory.draining()
            raise Refused(Refusal(Code.DRAINING, retry_after=wait, scope="server"))
        refuse_encoded()
        asked = query(schemas.UploadQuery)
        sent = await sent_file(request, asked.name, parts.settings.limits.file_size)
        file = await shelf.take(
            Upload(state.number, identity.participant.id, sent.name, sent.pieces, sent.announced)
        )
        if isinstance(file, Refusal):
            raise Refused(file)
        return answer(shown(file, Attachment(file.file_id)), 201)


def _add_read(routes: Blueprint, parts: Parts, shelf: FileShelf) -> None:
    @routes.get("/<file_id>")
    @tag(["files"])
    @document_querystring(schemas.FileQuery)
    @document_response(BinaryContent)
    @document_response(BinaryContent, 206)
    @document_response(NoContent, 304)
    @document_response(NoContent, 416)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def file(conversation_id: str, file_id: str) -> Response:
        """Read a file, or a part of it by `Range`; members only. Pictures, sound and films are shown, all else is saved."""
        identity, asked = parts.caller(), query(schemas.FileQuery)
        found = await _visible(parts, shelf, identity, conversation_id, file_id)
        shown_here = found.media_type in INLINE
        kind = "text/plain; charset=utf-8" if found.media_type == "text/plain" else found.media_type
        known = shown_here or kind.startswith(("text/plain", "application/pdf", "application/zip"))

        def read(start: int, end: int) -> AsyncGenerator[bytes]:
            return shelf.read(found, start, end)

        headers = HEADERS | {
            "Content-Disposition": header_name(
                found.name, inline=shown_here and not asked.download
            ),
            "Content-Type": kind if known else SAVED,  # never HTML, SVG or XML
        }
        return await content_answer(request, found.content[:40], found.size, read, headers)


def _add_preview(routes: Blueprint, parts: Parts, shelf: FileShelf) -> None:
    @routes.get("/<file_id>/preview")
    @tag(["files"])
    @document_querystring(schemas.PreviewQuery)
    @document_response(Picture)
    @document_response(Picture, 206)
    @document_response(NoContent, 304)
    @document_response(NoContent, 416)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def preview(conversation_id: str, file_id: str) -> Response:
        """Get a small picture of a picture, upright and without metadata; members only. Other files have none: 404."""
        identity, asked = parts.caller(), query(schemas.PreviewQuery)
        found = await _visible(parts, shelf, identity, conversation_id, file_id)
        picture = await shelf.preview(found, asked.size)
        if picture is None:
            raise parts.refusal(Code.NOT_FOUND)

        async def read(start: int, end: int) -> AsyncGenerator[bytes]:
            yield picture[start:end]

        headers = HEADERS | {"Content-Disposition": "inline", "Content-Type": "image/webp"}
        etag = f"{found.content[:40]}-{asked.size}"
        return await content_answer(request, etag, len(picture), read, headers)


async def _entered(parts: Parts, identity: Identity, conversation_id: str) -> State:
    """The conversation, if the caller is a member now."""
    snapshot = await parts.directory.look(conversation_id)
    if snapshot is None or identity.participant.id not in snapshot.state.members:
        raise parts.refusal(Code.NOT_FOUND)
    return snapshot.state


async def _visible(
    parts: Parts, shelf: FileShelf, identity: Identity, conversation_id: str, file_id: str
) -> StoredFile:
    """The file, if the caller may see it: its uploader until it is sent, then whoever may read its message."""
    state = await _entered(parts, identity, conversation_id)
    file = await shelf.find(file_id)
    if file is None or file.conversation != state.number:
        raise parts.refusal(Code.NOT_FOUND)
    reader = state.members[identity.participant.id]
    if file.sequence and file.sequence >= first_readable(state, reader):
        return file
    if not file.sequence and file.uploader == reader.participant.id:
        return file
    raise parts.refusal(Code.NOT_FOUND)
