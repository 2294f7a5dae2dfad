"""One table of all reasons to refuse: code -> text, HTTP status, close code, and whether a retry can help."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sources import Sources

Scope = Literal["conversation", "participant", "server"]

# The last hour of a busy server, about 3 MB; an operator asks within minutes
REFUSALS_KEPT = 10_000


class Code(StrEnum):
    """The codes of the reasons."""

    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    INVALID_JSON = "INVALID_JSON"
    INVALID_FORMAT = "INVALID_FORMAT"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    ORIGIN_NOT_ALLOWED = "ORIGIN_NOT_ALLOWED"
    GUESTS_NOT_ALLOWED = "GUESTS_NOT_ALLOWED"
    SIGN_IN_FAILED = "SIGN_IN_FAILED"
    NOT_FOUND = "NOT_FOUND"
    NOT_PARTICIPANT = "NOT_PARTICIPANT"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    ALREADY_PARTICIPANT = "ALREADY_PARTICIPANT"
    LAST_OWNER = "LAST_OWNER"
    BANNED = "BANNED"
    MUTED = "MUTED"
    SLOW_MODE = "SLOW_MODE"
    DIRECT_CONVERSATION = "DIRECT_CONVERSATION"
    INVITE_EXPIRED = "INVITE_EXPIRED"
    ALREADY_DECIDED = "ALREADY_DECIDED"
    LIMIT_REACHED = "LIMIT_REACHED"
    KEY_REUSED = "KEY_REUSED"
    MESSAGE_REFUSED = "MESSAGE_REFUSED"
    REVISION_CONFLICT = "REVISION_CONFLICT"
    EDIT_WINDOW_CLOSED = "EDIT_WINDOW_CLOSED"
    MESSAGE_DELETED = "MESSAGE_DELETED"
    LEGAL_HOLD = "LEGAL_HOLD"
    TOO_MANY_REACTIONS = "TOO_MANY_REACTIONS"
    TOO_MANY_PINNED = "TOO_MANY_PINNED"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    RUN_ENDED = "RUN_ENDED"
    OFFSET_MISMATCH = "OFFSET_MISMATCH"
    APPROVAL_NOT_FOUND = "APPROVAL_NOT_FOUND"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    FILE_ALREADY_SENT = "FILE_ALREADY_SENT"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    FILE_KIND_NOT_ALLOWED = "FILE_KIND_NOT_ALLOWED"
    PICTURE_TOO_LARGE = "PICTURE_TOO_LARGE"
    TOO_MANY_FILES = "TOO_MANY_FILES"
    TOO_MANY_UPLOADS = "TOO_MANY_UPLOADS"
    FILE_QUOTA_EXCEEDED = "FILE_QUOTA_EXCEEDED"
    TOO_MANY_RUNS = "TOO_MANY_RUNS"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNSUPPORTED_ENCODING = "UNSUPPORTED_ENCODING"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    CAPACITY_EXCEEDED = "CAPACITY_EXCEEDED"
    QUEUE_FULL = "QUEUE_FULL"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_CONNECTIONS = "TOO_MANY_CONNECTIONS"
    PROTOCOL_VIOLATION = "PROTOCOL_VIOLATION"
    DRAINING = "DRAINING"
    KEYS_UNAVAILABLE = "KEYS_UNAVAILABLE"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    NODE_UNAVAILABLE = "NODE_UNAVAILABLE"
    SEARCH_UNAVAILABLE = "SEARCH_UNAVAILABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


@dataclass(frozen=True, slots=True)
class Reason:
    """What a code means to a client. `text` may name facts of the refusal in braces."""

    text: str
    status: int
    temporary: bool = False
    close_code: int | None = None


TABLE: dict[Code, Reason] = {
    Code.MALFORMED_REQUEST: Reason("The request is not understood: {problem}.", 400),
    Code.INVALID_JSON: Reason("The frame is not a JSON object: {problem}.", 400),
    Code.INVALID_FORMAT: Reason("This does not have the right shape: {problem}.", 400),
    Code.UNKNOWN_TYPE: Reason("There is no frame of this type; known are: {known}.", 400),
    Code.UNAUTHENTICATED: Reason("Say who you are: {problem}.", 401, close_code=4500),
    Code.FORBIDDEN: Reason("You have no right to do this here.", 403),
    Code.ORIGIN_NOT_ALLOWED: Reason(
        "Pages of this origin may not connect here: the operator names those that may in server.allowed_origins.",
        403,
    ),
    Code.GUESTS_NOT_ALLOWED: Reason("This server takes no guests: sign in.", 403),
    Code.SIGN_IN_FAILED: Reason("Signing in with {provider} did not work: {problem}.", 403),
    Code.NOT_FOUND: Reason("There is nothing here that you may see.", 404),
    Code.NOT_PARTICIPANT: Reason("You are not a participant of this conversation.", 404),
    Code.METHOD_NOT_ALLOWED: Reason("This address does not take this method.", 405),
    Code.ALREADY_PARTICIPANT: Reason("Already a participant of this conversation.", 409),
    Code.LAST_OWNER: Reason(
        "The last owner cannot go down: make somebody else an owner first.", 409
    ),
    Code.BANNED: Reason("Banned from this conversation {lasting}.", 403),
    Code.MUTED: Reason("You are muted here {lasting}: others see nothing of you.", 403),
    Code.SLOW_MODE: Reason(
        "Slow mode: one message in {seconds} s. Try again after {retry_after} s.",
        429,
        temporary=True,
    ),
    Code.DIRECT_CONVERSATION: Reason(
        "This conversation is of two people: nobody comes in, leaves, changes rank or deletes it.",
        403,
    ),
    Code.INVITE_EXPIRED: Reason(
        "This invite is used up, expired or revoked: ask for another one.", 410
    ),
    Code.ALREADY_DECIDED: Reason("Somebody has decided about this already: it is {outcome}.", 409),
    Code.LIMIT_REACHED: Reason("At most {limit} {what} are kept here: end some first.", 409),
    Code.KEY_REUSED: Reason("This key was used before, for another message: make a new key.", 409),
    Code.MESSAGE_REFUSED: Reason("This is not taken here, for this reason: “{reason}”.", 403),
    Code.REVISION_CONFLICT: Reason(
        "The message was edited meanwhile and has revision {revision}: read it again, then edit that.",
        409,
    ),
    Code.EDIT_WINDOW_CLOSED: Reason(
        "A message may be edited for {limit} s after it was sent: send another one.", 403
    ),
    Code.MESSAGE_DELETED: Reason("The message was deleted.", 410),
    Code.LEGAL_HOLD: Reason(
        "This is kept for legal reasons: it can be neither changed nor deleted for now.", 409
    ),
    Code.TOO_MANY_REACTIONS: Reason(
        "The message has {limit} kinds of reaction already: give one of these.", 409
    ),
    Code.TOO_MANY_PINNED: Reason(
        "{limit} messages are pinned here already: unpin one of them first.", 409
    ),
    Code.RUN_NOT_FOUND: Reason("There is no run {run_id} here: start it first.", 404),
    Code.RUN_ENDED: Reason("The run {run_id} has ended: {run_status}. Begin another one.", 409),
    Code.OFFSET_MISMATCH: Reason(
        "The run {run_id} has {expected_offset} characters: go on from there.", 409
    ),
    Code.APPROVAL_NOT_FOUND: Reason(
        "Nothing waits for the approval {approval_id}: it was decided, or the run goes on without it.",
        404,
    ),
    Code.FILE_NOT_FOUND: Reason(
        "There is no file {file_id} here that you may send: upload it to this conversation first.",
        404,
    ),
    Code.FILE_ALREADY_SENT: Reason(
        "The file {file_id} is in another message: upload it again to send it again.", 409
    ),
    Code.FILE_TOO_LARGE: Reason(
        "The file is larger than the {max_size} bytes that are allowed.", 413
    ),
    Code.FILE_KIND_NOT_ALLOWED: Reason(
        "By its bytes the file is {media_type}, and such files are not taken here.", 415
    ),
    Code.PICTURE_TOO_LARGE: Reason(
        "The picture has {pixels} pixels; at most {max_pixels} are allowed: make it smaller.", 413
    ),
    Code.TOO_MANY_FILES: Reason(
        "{limit} files of yours wait to be sent: send them first; what is not sent is deleted after a day.",
        429,
    ),
    Code.TOO_MANY_UPLOADS: Reason(
        "{limit} files of yours are on their way: try again once one of them is here.",
        429,
        temporary=True,
    ),
    Code.FILE_QUOTA_EXCEEDED: Reason(
        "Your files here have {actual_size} bytes; at most {max_size} are allowed: delete messages with files.",
        413,
    ),
    Code.TOO_MANY_RUNS: Reason(
        "At most {limit} runs of one agent may be open here: end one first.", 429, temporary=True
    ),
    Code.MESSAGE_TOO_LARGE: Reason(
        "The message has {actual_size} characters; at most {max_size} are allowed.", 413
    ),
    Code.BODY_TOO_LARGE: Reason(
        "The body is larger than the {max_size} bytes that are allowed.", 413
    ),
    Code.UNSUPPORTED_ENCODING: Reason(
        "A body with this Content-Encoding is not taken: send it as it is; {accepted} is accepted.",
        415,
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: Reason(
        "The body is no JSON, and its Content-Type does not say so: send {accepted}.", 415
    ),
    Code.REQUEST_TIMEOUT: Reason(
        "The body did not come within {limit} s: send the request again.", 408, temporary=True
    ),
    Code.CAPACITY_EXCEEDED: Reason("The conversation has its {limit} participants already.", 429),
    Code.QUEUE_FULL: Reason(
        "{queue_size} commands wait here already: try again after {retry_after} s.",
        429,
        temporary=True,
    ),
    Code.RATE_LIMITED: Reason(
        "Too fast: the limit of {unit} is {limit}. Try again after {retry_after} s.",
        429,
        temporary=True,
    ),
    Code.TOO_MANY_CONNECTIONS: Reason(
        "Too many connections: at most {limit} are allowed.", 429, temporary=True, close_code=4502
    ),
    Code.PROTOCOL_VIOLATION: Reason(
        "Too many frames that are not understood.", 400, close_code=4501
    ),
    Code.DRAINING: Reason(
        "The server is restarting: come back after {retry_after} s.",
        503,
        temporary=True,
        close_code=4000,
    ),
    Code.SEARCH_UNAVAILABLE: Reason(
        "This server cannot search: its SQLite lacks FTS5. The operator runs it on a Python whose SQLite has it.",
        501,
    ),
    Code.KEYS_UNAVAILABLE: Reason(
        "The keys for this token cannot be fetched now: try again after {retry_after} s.",
        503,
        temporary=True,
    ),
    Code.STORE_UNAVAILABLE: Reason(
        "The store cannot take this now. Try again with the same client_message_id.",
        503,
        temporary=True,
    ),
    Code.NODE_UNAVAILABLE: Reason(
        "The node {node} does not answer: try again after {retry_after} s.",
        503,
        temporary=True,
    ),
    Code.INTERNAL_ERROR: Reason(
        "Something went wrong here. Try again with the same client_message_id.", 500, temporary=True
    ),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command was refused. `facts` are sent along and fill the text; `key` is the client's own key of the message."""

    code: Code
    facts: Mapping[str, int | float | str] | None = None
    retry_after: float | None = None
    scope: Scope | None = None
    key: str | None = None
    id: str = ""

    @property
    def reason(self) -> Reason:
        """The table's row."""
        return TABLE[self.code]

    @property
    def text(self) -> str:
        """The reason as text for a person."""
        facts = dict(self.facts or {})
        if self.retry_after is not None:
            facts["retry_after"] = milliseconds_up(self.retry_after)
        return self.reason.text.format_map(_Facts(facts))


def too_fast(
    limit: float, unit: str, wait: float, scope: Scope, *, key: str | None = None
) -> Refusal:
    """A refusal for rate. `unit` names what the limit counts, in the plural and with its time: messages a second."""
    if limit % 1 == 0:
        limit = int(limit)  # without a fraction: the settings say 20.0
    return Refusal(
        Code.RATE_LIMITED,
        {"limit": limit, "unit": unit},
        retry_after=wait,
        scope=scope,
        key=key,
    )


def about_run(refusal: Refusal, run_id: str) -> Refusal:
    """The refusal of a command about a run, which its sender knows by the run's id."""
    facts = refusal.facts or {}
    return refusal if "run_id" in facts else replace(refusal, facts={**facts, "run_id": run_id})


def milliseconds_up(seconds: float) -> float:
    """Seconds as whole milliseconds, rounded up: a client that retries a moment too early is refused again."""
    return ceil(round(seconds * 1000, 6)) / 1000


class _Facts(dict[str, "int | float | str"]):
    """Facts that give a dash where one is missing, so that formatting a text never fails."""

    def __missing__(self, key: str) -> str:
        return "–"


@dataclass(frozen=True, slots=True)
class Entry:
    """A refusal as operators look it up: participant, conversation, time and the figures behind it."""

    refusal: Refusal
    at: int
    participant_id: str | None = None
    conversation_id: str | None = None
    figures: Mapping[str, int | float | str] | None = None


class RefusalBook:
    """Gives refusals ids and remembers the last of them, so that "why was this refused" has an answer."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.counts: dict[str, int] = {}

    def name(
        self,
        refusal: Refusal,
        *,
        participant_id: str | None = None,
        conversation_id: str | None = None,
        **figures: float | str,
    ) -> Refusal:
        """The refusal with an id of its own, entered in the book."""
        named = replace(refusal, id=self._sources.new_id())
        self.counts[named.code] = self.counts.get(named.code, 0) + 1
        self._entries[named.id] = Entry(
            named, self._sources.now(), participant_id, conversation_id, figures
        )
        if len(self._entries) > REFUSALS_KEPT:
            self._entries.popitem(last=False)
        return named

    def find(self, refusal_id: str) -> Entry | None:
        """The entry, or None once it is no longer remembered."""
        return self._entries.get(refusal_id)

    def of(self, conversation_id: str, limit: int) -> list[Entry]:
        """The last refusals in one conversation, newest first. Looks through all that are remembered: under a millisecond."""
        entries = reversed(self._entries.values())
        return list(islice((e for e in entries if e.conversation_id == conversation_id), limit))
