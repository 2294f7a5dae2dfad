"""How fast who is nobody is told so."""

from __future__ import annotations

from trio.testing import MockClock

from salon.web.http.refusal_pace import BURST, KEPT, PAUSE, RATE, RATE_OF_ALL, RefusalPace

AT_ONCE = [0.0] * BURST


def asked(pace: RefusalPace, *addresses: str | None) -> list[float]:
    return [pace.pause(address) for address in addresses]


async def test_an_address_that_asks_as_nobody_all_the_time_waits_and_others_do_not(
    mock_clock: MockClock,
) -> None:
    assert (RATE, RATE_OF_ALL) == (1_000, 2_500), "as docs/tokens.md says"
    pace = RefusalPace()
    assert asked(pace, *["192.0.2.1"] * BURST) == AT_ONCE
    mock_clock.jump(BURST / RATE_OF_ALL)  # all together may have as many again
    twenty = BURST * RATE // RATE_OF_ALL
    assert asked(pace, *["192.0.2.1"] * (twenty + 1)) == [*[0.0] * twenty, PAUSE]
    assert asked(pace, "192.0.2.2", None) == [0.0, 0.0]


async def test_all_wait_where_nobody_asks_from_everywhere(mock_clock: MockClock) -> None:
    pace = RefusalPace()
    assert asked(pace, *(f"192.0.2.{n}" for n in range(BURST))) == AT_ONCE
    assert asked(pace, "198.51.100.1", None) == [PAUSE, PAUSE]
    mock_clock.jump(BURST / RATE_OF_ALL)
    assert asked(pace, *[None] * BURST) == AT_ONCE, "a proxy's"
    assert asked(pace, None) == [PAUSE]


async def test_so_many_addresses_are_remembered(mock_clock: MockClock) -> None:
    pace = RefusalPace()
    for number in range(KEPT + 1):
        pace.pause(f"{number}")
    assert len(pace._buckets) == KEPT
