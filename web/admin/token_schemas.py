"""The schemas of tokens that operators issue, and of blocked people."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..api import ID_LENGTH, PAGE
from ..names import NAME_LENGTH, is_id, normalise_name
from ..socket import KEY_LENGTH, LAST_SEQUENCE
from .paging import ListQuery

LONGEST_LIFE = 3650 * 86_400  # seconds: as sessions
CONVERSATIONS = (
    50  # of one token: their ids are in it, and proxies refuse headers over 4,096 characters
)


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError("has to be one word of visible characters")
    return text


def _name(text: str) -> str:
    shown = normalise_name(text)
    if shown is None or len(shown) > NAME_LENGTH:
        raise ValueError(f"has to have 1 to {NAME_LENGTH} characters, some visible")
    return shown


PersonId = Annotated[str, Field(min_length=1, max_length=ID_LENGTH), AfterValidator(_id)]


class TokenBody(BaseModel):
    """Whom a new token stands for. With `conversations` it is for these alone, and cannot be an admin's."""

    model_config = ConfigDict(strict=True)

    id: PersonId
    name: Annotated[str, Field(min_length=1), AfterValidator(_name)] | None = Field(
        default=None,
        description="The name that others see; by default the one they have, or the id.",
    )
    admin: bool = False
    agent: bool = False
    expires_in: int | None = Field(
        default=None, ge=1, le=LONGEST_LIFE, description="Seconds; by default as long as a session."
    )
    conversations: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=KEY_LENGTH)]],
            Field(min_length=1, max_length=CONVERSATIONS),
        ]
        | None
    ) = None


class NewToken(BaseModel):
    """A new token. It is shown only now."""

    token: str
    token_id: str
    expires_at: str


class TokenQuery(BaseModel):
    """Whose tokens, and the requested part: those issued before the page that gave `before`."""

    id: str | None = Field(
        default=None, description="A person's id; without it, the tokens of all."
    )
    before: Annotated[int, Field(ge=0, le=LAST_SEQUENCE)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 20


class PersonQuery(BaseModel):
    """Whose tokens."""

    id: PersonId


class TokenView(BaseModel):
    """A token that an operator issued. The token itself is not kept."""

    token_id: str
    id: str
    name: str
    admin: bool
    agent: bool
    conversations: list[str] | None
    issued_at: str
    issued_by: str
    expires_at: str
    revoked_at: str | None


class Tokens(BaseModel):
    """Tokens, the newest first. `before` asks for the next page; null where this is the last."""

    tokens: list[TokenView]
    before: int | None


class BlockedQuery(ListQuery):
    """Which of the blocked people; without `id`, all."""

    id: str | None = Field(default=None, description="A person's id.")


class BlockedPerson(BaseModel):
    """Somebody who is refused, whatever token they have."""

    id: str
    blocked_at: str


class BlockedPeople(BaseModel):
    """A page of the blocked people, the latest first; `before` asks for the next one."""

    people: list[BlockedPerson]
    before: str | None
