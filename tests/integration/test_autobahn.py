"""The cases of the Autobahn test suite against our side of the WebSocket protocol: frames, control frames, fragments, UTF-8,
closing, limits. Compression (12, 13) is not offered by salon and so is left out.

Of the cases with large messages (9) only the smallest of each kind are tried; `make prove` sets SALON_TEST_EXAMPLES=all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from kosoku import FailureError, run_fuzzingclient

from tests.echo import echo_endpoint
from tests.examples import ALL

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragments",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits and performance",
    "10": "automatic fragments",
}
CASES = {} if ALL else {"9": [f"9.{n}.1" for n in range(1, 9)]}


def play(url: str, section: str) -> list[Any]:
    """All cases of a section, the failed ones too."""
    try:
        return asyncio.run(
            run_fuzzingclient(url, CASES.get(section, [f"{section}.*"]), concurrency=4)
        )
    except FailureError as failure:
        return failure.results


@pytest.mark.timeout(240)
@pytest.mark.parametrize("section", SECTIONS)
async def test_not_one_case_of_the_section_fails(section: str, tell: Callable[[str], None]) -> None:
    async with echo_endpoint() as url:
        results = await trio.to_thread.run_sync(partial(play, url, section))
    bad = [
        f"{r.case_id}: {r.behavior.value}, {r.behavior_close.value}: {r.result} {r.result_close}"
        for r in results
        if not r.passed
    ]
    assert results
    assert not bad
    verdicts = Counter(result.behavior.value for result in results)
    tell(f"Autobahn {section}, {SECTIONS[section]}: {dict(verdicts)}, none failed")
