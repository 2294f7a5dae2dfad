"""Pages of what is whole in memory: lists that operators make longer one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class ListQuery(BaseModel):
    """Which page of a list: `before` is what the page before this one gave."""

    model_config = ConfigDict(frozen=True)

    before: str | None = None
    limit: int = Field(default=100, ge=1, le=100)


def page_of(
    newest_first: Sequence[T], asked: ListQuery, id_of: Callable[[T], str]
) -> tuple[Sequence[T], str | None]:
    """The asked page, and what asks for the next one. Whatever is added meanwhile stands before it."""
    places = {id_of(each): place for place, each in enumerate(newest_first)}
    start = 0 if asked.before is None else places.get(asked.before, len(newest_first)) + 1
    page = newest_first[start : start + asked.limit]
    return page, id_of(page[-1]) if start + asked.limit < len(newest_first) else None
