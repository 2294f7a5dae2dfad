"""An endpoint that has failed is left alone for a while."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from salon.web.agents.endpoint import LONGEST, Breaker, Endpoint


def open_breaker(failures: int = 3, pause: float = 10) -> Breaker:
    breaker = Breaker(failures, pause)
    for _ in range(failures):
        assert breaker.wait() is None
        breaker.failed()
    return breaker


async def test_it_opens_after_so_many_failures_in_a_row(autojump_clock: MockClock) -> None:
    breaker = Breaker(3, 10)
    for _ in range(2):
        breaker.failed()
    breaker.worked()
    for _ in range(2):
        breaker.failed()
    assert (breaker.state, breaker.wait()) == ("closed", None)
    breaker.failed()
    assert (breaker.state, breaker.wait(), breaker.remaining()) == ("open", 10, 10)


async def test_after_the_pause_one_answer_is_tried_and_the_others_wait(
    autojump_clock: MockClock,
) -> None:
    breaker = open_breaker()
    await trio.sleep(10)
    assert breaker.state == "half_open"
    assert breaker.wait() is None
    assert breaker.wait() == 1
    breaker.worked()
    assert (breaker.state, breaker.wait()) == ("closed", None)


async def test_answers_that_fail_together_open_it_once(autojump_clock: MockClock) -> None:
    breaker = Breaker(3, 10)
    for _ in range(10):
        assert breaker.wait() is None
    for _ in range(10):
        breaker.failed()
    assert breaker.remaining() == 10


async def test_each_attempt_that_fails_doubles_the_pause_up_to_a_bound(
    autojump_clock: MockClock,
) -> None:
    breaker = open_breaker()
    pauses = []
    for _ in range(10):
        await trio.sleep(breaker.remaining())
        assert breaker.wait() is None
        breaker.failed()
        pauses.append(breaker.remaining())
    assert pauses[:3] == [20, 40, 80]
    assert pauses[-1] == 10 * LONGEST


async def test_an_attempt_that_ends_by_something_else_lets_another_be_made(
    autojump_clock: MockClock,
) -> None:
    breaker = open_breaker()
    await trio.sleep(10)
    assert breaker.wait() is None
    breaker.unknown()
    assert (breaker.state, breaker.wait()) == ("half_open", None)


async def test_an_endpoint_takes_as_many_answers_as_the_most_that_one_of_its_agents_may() -> None:
    endpoint = Endpoint(2, 3, 10)
    endpoint.allow(5)
    endpoint.allow(1)
    assert endpoint.places.total_tokens == 5
