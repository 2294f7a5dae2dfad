"""`python -m salon.loadtests.bench.search`: how long searches take in a store of a million messages.

Half of the messages are in one room, the rest in 99 others; one of ten is in Chinese or Russian. Words are as frequent as in
a language: the nth is as frequent as 1/n.
"""

from __future__ import annotations

import time
from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Annotated, Any
from urllib.parse import urlencode

import trio
import typer
from rich.console import Console
from rich.table import Table

from salon.web.client import Client, Conversation

from ..reports import save_search
from ..servers import own_server
from ..users import Api, RunError, Target

ROOMS = 100
WORDS = 60_000
LETTERS = ("bdfghklmnprstvz", "aeiou")
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщыэюя"
TO_CYRILLIC = {ord(latin): CYRILLIC[ord(latin) % len(CYRILLIC)] for latin in "".join(LETTERS)}
CHINESE = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
IN_FLIGHT = 200  # messages of a room
FILLED_AT_ONCE = 8  # rooms
PATIENCE = 3600.0  # seconds for filling
TIMES = 40  # searches of each kind

Query = dict[str, str]


class Language:
    """Texts that repeat words as people do."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.words = list(dict.fromkeys(self._word(n) for n in range(WORDS)))
        self._weights = list(accumulate(1 / (n + 2.7) for n in range(len(self.words))))
        self._characters = list(accumulate(1 / (n + 2.7) for n in range(len(CHINESE))))

    def _word(self, number: int) -> str:
        consonants, vowels = LETTERS
        syllables = 1 + (number > 60) + (number > 3_000) + self._random.randrange(2)
        return "".join(
            self._random.choice(consonants) + self._random.choice(vowels) for _ in range(syllables)
        )

    def word(self) -> str:
        """A word, frequent ones more often."""
        return self.words[bisect(self._weights, self._random.random() * self._weights[-1])]

    def character(self) -> str:
        """A Chinese character, frequent ones more often."""
        return CHINESE[bisect(self._characters, self._random.random() * self._characters[-1])]

    def text(self) -> str:
        """A message of 3 to 21 words."""
        length, kind = self._random.randint(3, 21), self._random.random()
        if kind < 0.05:
            return "".join(self.character() for _ in range(2 * length))
        words = [self.word() for _ in range(length)]
        if kind < 0.1:
            return " ".join(words).translate(TO_CYRILLIC)
        return " ".join(words)


def main(
    messages: Annotated[int, typer.Option(min=1_000)] = 1_000_000,
    store: Annotated[str, typer.Option(help="sqlite:///PATH to keep what was filled")] = "",
    results: Annotated[Path | None, typer.Option(help="RESULTS.md, which gets the figures")] = None,
) -> None:
    """Fill a store, then search it as somebody in all rooms, and as somebody in ten."""
    console = Console(highlight=False)
    language = Language(Random(12))
    with own_server(store or None) as (url, _):
        api = Api(Target.of(url))
        owner = api.call("POST", "/auth/guest")["token"]
        few = api.call("POST", "/auth/guest")
        rooms = [_room(api, owner, number) for number in range(ROOMS)]
        began = time.monotonic()
        trio.run(_fill, url, owner, rooms, messages, language)
        console.print(f"{messages:,} messages in {time.monotonic() - began:.0f} s")
        api = Api(Target.of(url))  # the server has closed the first connection meanwhile
        console.print(f"indexed after another {_wait(api, owner):.1f} s")
        for room in rooms[1:11]:
            api.send("POST", f"/chat/{room}/join", few["token"])
        kinds: list[dict[str, Any]] = []
        total: list[float] = []
        for who, token in (("in 100 rooms", owner), ("in 10 rooms", few["token"])):
            for name, ask in _kinds(language, rooms).items():
                times, hits = _measure(api, token, ask)
                total += times
                kinds.append({"name": f"{name}, {who}", **_figures(times), "hits": round(hits, 1)})
        average = sum(each["hits"] for each in kinds) / len(kinds)
        kinds.append({"name": "all", **_figures(total), "hits": round(average, 1)})
    console.print(_table(kinds))
    if results is not None:
        save_search(results, messages, kinds)


def _room(api: Api, token: str, number: int) -> str:
    created = api.call("POST", "/chat/create", token, {"title": f"Room {number}"})
    return str(created["conversation_id"])


async def _fill(url: str, token: str, rooms: list[str], messages: int, language: Language) -> None:
    shares = [messages // 2, *[messages // 2 // (ROOMS - 1)] * (ROOMS - 1)]
    left = iter(list(zip(rooms, shares, strict=True)))

    async def some(client: Client) -> None:
        for room, share in left:
            numbers = iter(range(share))
            async with client.conversation(room) as conversation, trio.open_nursery() as nursery:
                for _ in range(IN_FLIGHT):
                    nursery.start_soon(_say, conversation, numbers, language)

    with trio.fail_after(PATIENCE):
        async with Client(url, token=token) as client, trio.open_nursery() as nursery:
            for _ in range(FILLED_AT_ONCE):
                nursery.start_soon(some, client)


async def _say(conversation: Conversation, numbers: Iterator[int], language: Language) -> None:
    for _ in numbers:
        await conversation.send(language.text())


def _wait(api: Api, token: str) -> float:
    """Seconds until all that was sent is indexed."""
    began = time.monotonic()
    while not _search(api, token, {"q": "nothing"})[1]["complete"]:
        if time.monotonic() - began > PATIENCE:
            raise RunError("the index is not complete after an hour")
        time.sleep(0.2)
    return time.monotonic() - began


def _kinds(language: Language, rooms: list[str]) -> dict[str, Callable[[], Query]]:
    random, words = Random(3), language.words

    def phrase() -> Query:
        return {"q": f'"{language.word()} {language.word()}"'}

    return {
        "a word as people use them": lambda: {"q": language.word()},
        "one of the 100 most frequent": lambda: {"q": random.choice(words[:100])},
        "a rare word": lambda: {"q": random.choice(words[5_000:])},
        "two words": lambda: {"q": f"{language.word()} {language.word()}"},
        "a frequent and a rare one": lambda: {
            "q": f"{random.choice(words[:100])} {random.choice(words[5_000:])}"
        },
        "a beginning of 3 letters": lambda: {"q": f"{random.choice(words)[:3]}*"},
        "a beginning and a rare one": lambda: {
            "q": f"{random.choice(words[100:])[:3]}* {random.choice(words[5_000:])}"
        },
        "a phrase": phrase,
        "two characters of Chinese": lambda: {"q": language.character() + language.character()},
        "a word in one room of 5,000": lambda: {
            "q": language.word(),
            "conversation_id": rooms[random.randrange(1, 11)],
        },
        "a word of a year ago": lambda: {"q": language.word(), "before": "2020-01-01"},
    }


def _search(api: Api, token: str, asked: Query) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    found = api.call("GET", f"/chat/search?{urlencode(asked)}", token)
    return time.perf_counter() - began, found


def _measure(api: Api, token: str, ask: Callable[[], Query]) -> tuple[list[float], float]:
    times, hits = [], 0
    for _ in range(TIMES):
        seconds, found = _search(api, token, ask())
        times.append(seconds * 1000)
        hits += len(found["hits"])
    return times, hits / TIMES


def _figures(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    places = {
        name: min(int(len(ordered) * share), len(ordered) - 1) for name, share in shares.items()
    }
    return {name: round(ordered[place], 1) for name, place in places.items()}


def _table(kinds: list[dict[str, Any]]) -> Table:
    table = Table("what", *("p50", "p95", "p99", "most"), "hits", title="milliseconds over HTTP")
    for each in kinds:
        table.add_row(*(str(value) for value in each.values()))
    return table


if __name__ == "__main__":
    typer.run(main)
