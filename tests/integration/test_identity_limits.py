"""What one person may do only so often: both limits have their real numbers."""

from __future__ import annotations

import math

import trio

from tests.inside import TOKEN
from tests.raw import Answer, open_line, request

HOUR = 3600


async def ask(url: str, method: str, path: str, body: bytes = b"") -> Answer:
    async with open_line(url) as line:
        asked = request(method, path, body, TOKEN, Connection="close")
        await line.send(asked)
        answer = await line.answer()
        await line.end()
        return answer


def is_refused(answer: Answer, limit: int) -> None:
    said = answer.json()
    assert (answer.status, said["code"], said["limit"]) == (429, "RATE_LIMITED", limit)
    assert 0 < said["retry_after"] <= HOUR / limit
    assert int(answer.headers["retry-after"]) == math.ceil(said["retry_after"])


async def test_a_name_is_changed_twenty_times_an_hour_and_the_same_name_is_no_change(
    url: str,
) -> None:
    for number in range(20):
        for _ in range(2):
            renamed = await ask(url, "PATCH", "/auth/me", b'{"name":"Ada %d"}' % number)
            assert renamed.status == 200
    is_refused(await ask(url, "PATCH", "/auth/me", b'{"name":"Ada L."}'), 20)
    assert (await ask(url, "GET", "/auth/me")).json()["name"] == "Ada 19"


async def test_a_person_takes_their_data_along_six_times_an_hour(url: str) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(_takes, url)
    is_refused(await ask(url, "GET", "/me/export"), 6)


async def _takes(url: str) -> None:
    assert (await ask(url, "GET", "/me/export")).status == 200
