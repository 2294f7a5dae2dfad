"""The order of the test files, for processes that take one after the other: what takes long begins first.

Files that mostly wait stand among files that mostly compute, so that both cores have work all the time. What is not named
here takes a few seconds and comes after, in the order in which it was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

LONG_FIRST = (
    "reliability/test_overload.py",  # waits
    "reliability/test_simulation.py",
    "e2e/test_page.py",
    "e2e/test_hosted_page.py",
    "performance/test_salon_load.py",  # waits
    "e2e/test_page_offline.py",
    "reliability/test_slow_disk.py",  # waits
    "e2e/test_admin_agents.py",
    "e2e/test_admin_page.py",
    "reliability/test_crash.py",
    "security/test_hypercorn_attacks.py",  # waits
    "integration/test_schemathesis.py",
    "e2e/test_page_size.py",
    "integration/test_admin_events.py",  # waits
    "e2e/test_page_looks.py",
    "e2e/test_runs_page.py",
    "reliability/test_resume.py",  # waits
    "e2e/test_xss.py",
    "e2e/test_page_sign_in.py",
    "reliability/test_accidents.py",  # waits
    "e2e/test_answers_page.py",
    "reliability/test_presence.py",  # waits
    "e2e/test_admin_looks.py",
    "e2e/test_control_states.py",
    "reliability/test_sync.py",
    "e2e/test_page_identity.py",
    "reliability/test_drain.py",  # waits
    "unit/test_overload.py",
    "integration/test_agent_restarts.py",  # waits
    "e2e/test_salon_js.py",  # waits
    "unit/test_cli.py",
    "integration/test_agent_tools.py",
    "reliability/test_lagging.py",
)


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests, those of the long files first; within a file they stay as they are."""
    place = {name: number for number, name in enumerate(LONG_FIRST)}
    return sorted(items, key=lambda item: place.get(_name(item.path.parts), len(place)))


def _name(parts: Sequence[str]) -> str:
    return "/".join(parts[-2:])
