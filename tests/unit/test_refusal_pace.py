"""How fast one address is told that it is nobody."""

from __future__ import annotations

from trio.testing import MockClock

from salon.web.http.refusal_pace import AT_ONCE, PAUSE, RefusalPace


async def test_an_address_that_asks_as_nobody_all_the_time_waits_and_others_do_not(
    mock_clock: MockClock,
) -> None:
    pace = RefusalPace()
    assert [pace.pause("192.0.2.1") for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert pace.pause("192.0.2.1") == PAUSE
    assert pace.pause("192.0.2.2") == 0.0
    mock_clock.jump(1)
    assert pace.pause("192.0.2.1") == 0.0
