"""Which messages of those that may match are found, and in which order: the same for both stores.

A store gives the candidates, the newest first. Only their stored text decides, so an index that is behind, or has too much, makes
no false hit.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from salon.actors.search import HALF_WORTH, WINDOW, Place, relevance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salon.actors.search import Sought
    from salon.actors.store import Record


class Said(NamedTuple):
    """What a stored message says, and whether files belong to it."""

    text: str
    with_file: bool


class Candidate(NamedTuple):
    """A message that may match: its place in the order of arrival, and its conversation's number."""

    position: int
    number: int
    record: Record


class Scored(NamedTuple):
    """A message that matches. The greatest is the best."""

    score: int
    position: int
    candidate: Candidate


def said(body: bytes | str) -> Said | None:
    """What a stored frame says; None where it is no message, or one that was deleted."""
    try:
        frame = json.loads(body)
        message = frame["message"]
        text = message["content"]
        if message.get("deleted") or not isinstance(text, str):
            return None
        return Said(text, bool(message.get("files")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def matches(sought: Sought, candidates: Iterable[Candidate], newest_at: int) -> list[Scored]:
    """The newest `WINDOW` candidates that match. They lose worth by age, which counts from `newest_at`."""
    found = []
    for candidate in candidates:
        record = candidate.record
        if not _passes(sought, record):
            continue
        message = said(record.body)
        if message is None or (sought.with_file and not message.with_file):
            continue
        worth = relevance(sought.terms, message.text) if sought.terms else 1.0
        if worth is None:
            continue
        age = max(newest_at - record.at, 0)
        score = round(1e6 * worth / (1 + age / HALF_WORTH))
        found.append(Scored(score, candidate.position, candidate))
        if len(found) == WINDOW:
            break
    return found


def page(
    sought: Sought, found: list[Scored], top: int, floor: int
) -> tuple[list[Scored], Place | None]:
    """The page of a window from `floor` to `top`, and where the next one goes on."""
    found.sort(reverse=True)
    place = sought.place
    if place is not None and place.floor is not None:
        found = [each for each in found if each[:2] < (place.score, place.position)]
    shown = found[: sought.limit]
    if len(found) > sought.limit:
        last = shown[-1]
        return shown, Place(top, floor, last.score, last.position)
    return shown, Place(floor - 1) if floor > 1 else None


def _passes(sought: Sought, record: Record) -> bool:
    return (
        (sought.sender_id is None or record.sender_id == sought.sender_id)
        and (sought.after is None or record.at >= sought.after)
        and (sought.before is None or record.at < sought.before)
    )
