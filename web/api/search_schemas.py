"""The schemas of searching: what may be asked, and what is found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from salon.actors.search import HITS, MOST_WORDS, QUERY_LENGTH, Place

from .schemas import ID_LENGTH, Id

CURSOR = r"\d{1,18}(-\d{1,18}-\d{1,18}-\d{1,18})?"


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "is no date and no time as of ISO 8601, such as 2026-11-30 or 2026-11-30T08:00:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _time(text: str) -> str:
    _milliseconds(text)
    return text


Time = Annotated[str, Field(max_length=40), AfterValidator(_time)]


class SearchQuery(BaseModel):
    """What is sought: words that are all in a message, "phrases in quotation marks", the beginning of a word as `wor*`."""

    model_config = ConfigDict(populate_by_name=True)

    q: str = Field(
        default="",
        max_length=QUERY_LENGTH,
        description=f"At most {MOST_WORDS} words; case and accents do not matter. With `has` it may be left out.",
    )
    conversation_id: Annotated[str, Field(max_length=ID_LENGTH)] | None = Field(
        default=None, description="Only there; by default in all conversations of the caller."
    )
    sender: Id | None = Field(default=None, alias="from", description="Only what they have sent.")
    after: Time | None = Field(
        default=None, description="Only what was sent then or later; UTC if no zone is given."
    )
    before: Time | None = Field(default=None, description="Only what was sent earlier.")
    has: Literal["file"] | None = Field(default=None, description="Only messages with files.")
    limit: Annotated[int, Field(ge=1, le=HITS)] = 20
    cursor: Annotated[str, Field(pattern=f"^{CURSOR}$")] | None = Field(
        default=None, description="The `next` of the page before, of the same search."
    )

    @model_validator(mode="after")
    def _seeks_something(self) -> Self:
        if not self.q.strip() and self.has is None:
            raise ValueError("seeks nothing: q, has or both are wanted")
        return self

    @property
    def times(self) -> tuple[int | None, int | None]:
        """`after` and `before` in milliseconds."""
        after, before = (
            None if each is None else _milliseconds(each) for each in (self.after, self.before)
        )
        return after, before

    @property
    def place(self) -> Place | None:
        """Where the page before ended."""
        return None if self.cursor is None else Place(*map(int, self.cursor.split("-")))


class Piece(BaseModel):
    """A piece of a text."""

    text: str
    match: bool | None = Field(default=None, description="True where it is what was sought.")


class Neighbour(BaseModel):
    """A message beside a hit, and the beginning of its text."""

    message_id: str
    sequence_id: int
    sender_id: str
    sender_name: str
    timestamp: str
    text: str
    deleted: bool | None = None


class HitView(BaseModel):
    """A message that was found. `snippet` is the piece of its text around the first match, to be joined; it is no HTML."""

    conversation_id: str
    title: str
    message_id: str
    sequence_id: int = Field(description="Its place: history with `after` and `before` shows it.")
    sender_id: str
    sender_name: str
    sender_type: Literal["human", "agent"]
    timestamp: str
    thread_id: str | None = None
    snippet: list[Piece]
    before: Neighbour | None = Field(description="The message before it, if one is near.")
    after: Neighbour | None


class SearchAnswer(BaseModel):
    """The hits, the best first.

    A page may have fewer hits than `limit`, even none, although more follow: go on while there is a `next`.
    """

    hits: list[HitView]
    next: str | None = Field(
        description="The `cursor` of the next page; null where this is the last."
    )
    complete: bool = Field(
        description="False while messages from before the index are being indexed: some may be missing."
    )
