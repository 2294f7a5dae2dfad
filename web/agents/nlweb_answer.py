"""What an NLWeb server says, of any version: its events become text, results, and what it is doing.

Servers mix the dialects: a newer one sends events of the classic kind, too. So all are understood wherever they come.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from salon.actors.blank import is_blank

from .pieces import Activity, Results, UpstreamError
from .results import Gathered, cut, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pieces import Piece

LABEL = 200  # characters of what it is doing
NAMED = 5  # sites in such a label
QUESTIONS = 20  # of one elicitation that are passed on, and options of each
LONGEST_PROMISE = 86_400  # seconds that are told to people
CODE = re.compile(r"[A-Z][A-Z_]{0,39}")
PLAIN = "message"  # the name of an event without one
END = frozenset({"complete", "end-nlweb-response", "end"})
# What says something, and where. After those of `LAST`, servers close the stream without saying that it is complete.
SPOKEN = {
    "summary": ("message", "content", "summary"),
    "ask_user": ("message", "question", "content"),
    "no_results": ("message", "content"),
    "remember": ("message", "content"),
    "site_is_irrelevant_to_query": ("message", "content"),
}
LAST = frozenset({"ask_user", "no_results", "site_is_irrelevant_to_query", "nlws"})
# What has results or texts in one of these fields; the rest of the kinds is for clients that draw maps and charts.
BODIES = frozenset({PLAIN, "start", "result", "result_batch", "content", "nlws"})
LISTS = ("results", "structuredData", "structuredContent", "items", "content", "item")
TEXTS = ("text", "Text", "answer", "summary")


class NLWebAnswer:
    """One answer to what was asked: `take` each event, then `end`. Both raise `UpstreamError` for an answer that has failed."""

    def __init__(self, asked: str) -> None:
        self._asked = asked.strip()
        self._gathered = Gathered()
        self._said: dict[str, str] = {}  # by kind; the newest kind is the last
        self.ended = False  # whether the server has said that nothing more comes
        self._known = False  # whether there was anything of an answer, and
        self._whole = False  # all of it
        self._failed = False

    def take(self, name: str, event: object) -> Iterator[Piece]:
        """The pieces of one event that came under this name."""
        if not isinstance(event, dict):
            raise UpstreamError("the stream has what is no event")
        kind = event.get("message_type")
        if not isinstance(kind, str):
            kind = name
        yield from self._meta(event.get("_meta"))
        if kind in END:
            self.ended = self._known = self._whole = True
            self._failed = self._failed or bool(event.get("error"))
        elif kind == "error" or event.get("error"):
            raise UpstreamError(f"the server has failed{_code(event)}")
        elif kind in SPOKEN:
            texts = (text_of(event.get(key), stripped=kind != "summary") for key in SPOKEN[kind])
            yield from self._say(kind, next(filter(None, texts), ""))
        elif kind == "decontextualized_query":
            yield from self._understood(event)
        elif kind == "asking_sites":
            yield Activity("tool", cut(_asking(event), LABEL))
        elif kind in BODIES:
            yield from self._body(kind, event)
        self._known = self._known or kind in ("query", *SPOKEN)
        self._whole = self._whole or kind in LAST

    def close(self) -> None:
        """Take what has come as all of it: an answer that is no stream does not say so itself."""
        self._whole = self._known

    def end(self) -> Iterator[Piece]:
        """The last pieces."""
        if self._failed:
            raise UpstreamError("the server has failed")
        if not self._whole:
            raise UpstreamError("the stream was cut" if self._known else "there is no answer")
        items = self._gathered.fitting()
        if all(map(is_blank, self._said.values())):
            yield f"{_results(len(items))}."
        yield from self.found()

    def found(self) -> Iterator[Results]:
        """The results so far."""
        if items := self._gathered.fitting():
            yield Results(items)

    def _meta(self, meta: object) -> Iterator[Piece]:
        if not isinstance(meta, dict):
            return
        kind = meta.get("response_type")
        failure = isinstance(kind, str) and kind.casefold() == "failure"
        self._failed = self._failed or failure or bool(meta.get("error"))
        yield from self._understood(meta)
        yield from self._say("summary", text_of(meta.get("summary")))

    def _understood(self, event: dict[str, Any]) -> Iterator[Activity]:
        query = text_of(event.get("decontextualized_query"))
        if query not in ("", self._asked):
            yield Activity("thinking", cut(f"Understood as: {query}", LABEL))

    def _body(self, kind: str, event: dict[str, Any]) -> Iterator[Piece]:
        before = self._gathered.number
        fields = [event[key] for key in LISTS if isinstance(event.get(key), (list, dict, str))]
        for field in fields:
            for each in field if isinstance(field, list) else [field]:
                yield from self._one(kind, each)
        yield from self._texts(kind, event)
        yield from self._say("elicitation", _questions(event.get("elicitation")))
        yield from self._say("promise", _promise(event.get("promise")))
        if fields or {"elicitation", "promise", *TEXTS} & event.keys():
            self._known = True
            self._whole = self._whole or kind == PLAIN
        if self._gathered.number > before:
            yield Activity("tool", _results(self._gathered.number))

    def _one(self, kind: str, value: object) -> Iterator[Piece]:
        """One of the results, which may be a text: a summary, or an answer with the results that it is made of."""
        if self._gathered.add(value):
            return
        if isinstance(value, dict):
            yield from self._texts(kind, value)
            items = value.get("items")
            for item in items if isinstance(items, list) else ():
                self._gathered.add(item)
        else:
            yield from self._say(kind, text_of(value))

    def _texts(self, kind: str, value: dict[str, Any]) -> Iterator[str]:
        for key in TEXTS:
            yield from self._say(kind, text_of(value.get(key)))

    def _say(self, kind: str, text: str) -> Iterator[str]:
        """Say a text: a summary goes on where it was, all others are whole, and may come again with more."""
        if not text:
            return
        newest, before = next(reversed(self._said), ""), self._said.pop(kind, "")
        self._said[kind] = before + text
        if kind != "summary" and before:
            if not text.startswith(before):
                yield f"\n\n{text}"
                return
            self._said[kind], text = text, text.removeprefix(before)
        if text:
            yield text if newest in ("", kind) else f"\n\n{text}"


def _asking(event: dict[str, Any]) -> str:
    text, sites = text_of(event.get("message")), event.get("sites")
    if not text and isinstance(sites, list):
        names = filter(None, map(text_of, sites[:NAMED]))
        text = ", ".join(names) + (" …" if len(sites) > NAMED else "")
    return text if text.startswith("Asking ") else f"Asking {text or 'other sites'}"


def _questions(elicitation: object) -> str:
    if not isinstance(elicitation, dict):
        return text_of(elicitation)
    lines = [text_of(elicitation.get("text"))]
    questions = elicitation.get("questions")
    for question in questions[:QUESTIONS] if isinstance(questions, list) else ():
        options = question.get("options") if isinstance(question, dict) else None
        names = map(text_of, options[:QUESTIONS]) if isinstance(options, list) else ()
        choice = " / ".join(filter(None, names))
        if text := text_of(question):
            lines.append(f"- {text} ({choice})" if choice else f"- {text}")
    return "\n".join(filter(None, lines))


def _promise(promise: object) -> str:
    if not isinstance(promise, dict):
        return ""
    said = text_of(promise.get("message"))
    seconds = promise.get("estimated_time")
    known = type(seconds) is int and 0 < seconds <= LONGEST_PROMISE
    when = f"in about {seconds} seconds" if known else "later"
    return f"{said} The answer is not ready yet: ask again {when}.".strip()


def _code(event: dict[str, Any]) -> str:
    """What kind of failure it is, without the text, which may repeat what was asked."""
    error, status = event.get("error"), event.get("status")
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and CODE.fullmatch(code):
        return f": {code}"
    return f": {status}" if isinstance(status, int) and 100 <= status < 600 else ""


def _results(number: int) -> str:
    return f"{number or 'No'} result{'' if number == 1 else 's'}"
