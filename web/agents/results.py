"""Results of other servers, cut to what a message may carry: nothing in them is trusted to have its type or a sane size."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 50  # results of one message
URL = 2_000  # characters; a result with a longer one is left out
NAME = 300  # characters, as of the next two: longer ones are cut
SITE = 200
DESCRIPTION = 1_000
SCHEMA_OBJECT = 2_000  # characters of JSON; a larger one is left out
DEPTH = 20  # levels of objects and lists in it
ALL = 32_768  # characters of JSON of all results of one message
HIGHEST = 1_000_000.0  # of a score, above or below 0: those in use end at 1 or 100
KEPT = 4 * ITEMS  # results that wait for better ones; a stream may have any number
# Of a result that is a schema.org object itself: what is not part of the object, or shown beside it
OWN = frozenset(
    {"url", "name", "site", "siteUrl", "score", "description", "schema_object", "grounding"}
)


class Gathered:
    """The results of one answer, each address once, the best first."""

    def __init__(self) -> None:
        self.number = 0
        self._items: dict[str, dict[str, Any]] = {}

    def add(self, value: object) -> bool:
        """Take one result. False for what is none: it has no address that a reader can follow."""
        item = _item(value)
        if item is None:
            return False
        if item["url"] in self._items:
            return True
        self.number += 1
        self._items[item["url"]] = item
        if len(self._items) >= KEPT:
            self._items = {each["url"]: each for each in self._best(ITEMS)}
        return True

    def fitting(self) -> tuple[dict[str, Any], ...]:
        """The best of them, as many as fit: without their objects rather than fewer, the last ones first."""
        items = self._best(ITEMS)
        sizes = [_size(item) + 2 for item in items]  # and what parts it from the next
        for number in reversed(range(len(items))):
            if sum(sizes) <= ALL:
                break
            if items[number].pop("schema_object", None) is not None:
                sizes[number] = _size(items[number]) + 2
        while sum(sizes) > ALL:
            items.pop()
            sizes.pop()
        return tuple(items)

    def _best(self, most: int) -> list[dict[str, Any]]:
        ranked = sorted(self._items.values(), key=_rank, reverse=True)
        return [dict(item) for item in ranked[:most]]


def text_of(value: object, *, stripped: bool = True) -> str:
    """A text that may be wrapped as schema.org allows: in a list, or in an object with `text`, `name` or `@value`; or none."""
    for _ in range(DEPTH):
        if isinstance(value, str):
            return _whole(value).strip() if stripped else value
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            value = next((value[key] for key in ("text", "name", "@value") if key in value), None)
        else:
            break
    return ""


def cut(text: str, length: int) -> str:
    """A text of at most so many code points."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _item(value: object) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    url = next(filter(None, map(_url, _addresses(value))), None)
    if url is None:
        return None
    item: dict[str, Any] = {"url": url}
    schema_object = _schema_object(value)
    name = text_of(value.get("name")) or text_of((schema_object or {}).get("name"))
    item["name"] = cut(name or url, NAME)
    for key, length in (("site", SITE), ("description", DESCRIPTION)):
        if text := text_of(value.get(key)):
            item[key] = cut(text, length)
    if (score := _score(value.get("score"))) is not None:
        item["score"] = score
    if schema_object:
        item["schema_object"] = schema_object
    return item


def _addresses(value: dict[str, Any]) -> Iterator[object]:
    yield value.get("url")
    yield value.get("@id")
    grounding = value.get("grounding")
    sources = grounding.get("source_urls") if isinstance(grounding, dict) else None
    if isinstance(sources, list):
        yield from sources[:ITEMS]


def _url(value: object) -> str | None:
    """An address of the web that a reader can follow without surprise: no script, no user in it."""
    url = value.strip() if isinstance(value, str) else ""
    if not 0 < len(url) <= URL or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        return None
    good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return url if good else None


def _score(value: object) -> float | None:
    """A number, which some servers send as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(score) or abs(score) > HIGHEST:
        return None
    return int(score) if score.is_integer() else score


def _rank(item: dict[str, Any]) -> float:
    return float(item.get("score", -math.inf))


def _schema_object(value: dict[str, Any]) -> dict[str, Any] | None:
    """The object that a result has, as JSON or as text of JSON, or that it is; None if it is too large."""
    found: object = value.get("schema_object")
    if isinstance(found, str):
        found = loads(found)
    if isinstance(found, list):
        found = next((each for each in found if isinstance(each, dict)), None)
    if found is None and "@type" in value:
        found = {key: each for key, each in value.items() if key not in OWN}
    if not isinstance(found, dict) or _is_deep(found):
        return None
    if _size(found) > SCHEMA_OBJECT:
        return None
    whole = loads(_whole(json.dumps(found, ensure_ascii=False)))
    return whole if isinstance(whole, dict) else None


def loads(text: str) -> object:
    """JSON, with null for numbers that are none; None if it is no JSON."""
    try:
        return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _is_deep(value: dict[str, Any]) -> bool:
    level: list[dict[str, Any] | list[Any]] = [value]
    for _ in range(DEPTH):
        inside = (list(each.values()) if isinstance(each, dict) else each for each in level)
        level = [each for some in inside for each in some if isinstance(each, (dict, list))]
    return bool(level)


def _size(value: object) -> int:
    return len(json.dumps(value))


def _whole(text: str) -> str:
    """A text without halves of characters."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
