"""The order of the test files, for processes that take one after the other: what takes long begins first.

Files that mostly wait stand among files that mostly compute, so that both cores have work all the time: there are three
processes for each core. What is not named here takes a few seconds and comes after, in the order in which it was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

LONG_FIRST = (
    "performance/test_salon_load.py",  # waits
    "e2e/test_changes_page.py",  # waits
    "e2e/test_admin_page.py",  # waits
    "reliability/test_overload.py",  # waits
    "reliability/test_accidents.py",  # waits
    "reliability/test_cluster_many.py",  # waits
    "reliability/test_cluster_nodes.py",  # waits
    "integration/test_agent_restarts.py",  # waits
    "reliability/test_simulation.py",
    "reliability/test_cluster_faults.py",  # waits
    "reliability/test_cluster_processes.py",  # waits
    "reliability/test_sync.py",  # waits
    "reliability/test_cluster_simulation.py",
    "e2e/test_page_sign_in.py",  # waits
    "reliability/test_postgres.py",  # waits
    "reliability/test_slow_disk.py",
    "reliability/test_torn.py",  # waits
    "e2e/test_page_size.py",  # waits
    "unit/test_storage.py",  # waits
    "e2e/test_admin_agents.py",
    "e2e/test_runs_page.py",
    "integration/test_agent_tools.py",  # waits
    "unit/test_overload.py",
    "e2e/test_answers_page.py",
    "unit/test_storage_search.py",  # waits
    "reliability/test_resume.py",  # waits
    "e2e/test_people_page.py",
    "unit/test_storage_postgres.py",  # waits
    "integration/test_admin_events.py",  # waits
    "security/test_hypercorn_attacks.py",  # waits
    "e2e/test_page.py",
    "e2e/test_xss.py",
    "e2e/test_page_offline.py",
    "reliability/test_crash.py",
    "e2e/test_files_page.py",
    "e2e/test_real_model.py",
    "integration/test_schemathesis.py",
    "reliability/test_lagging.py",  # waits
    "unit/test_storage_sqlite.py",  # waits
    "reliability/test_presence.py",  # waits
    "reliability/test_deleted.py",  # waits
    "e2e/test_salon_js.py",  # waits
    "reliability/test_drain.py",  # waits
    "reliability/test_files.py",  # waits
    "integration/test_agents.py",  # waits
    "reliability/test_disk.py",  # waits
    "e2e/test_search_page.py",
    "unit/test_salon_js.py",
    "e2e/test_admin_people.py",
    "e2e/test_npm_app.py",
    "e2e/test_page_looks.py",
    "integration/test_rest_refusals.py",  # waits
    "integration/test_embedding.py",  # waits
    "integration/test_typing.py",
    "unit/test_packaging.py",
    "reliability/test_recovery.py",  # waits
    "e2e/test_hosted_page.py",
    "e2e/test_control_states.py",
    "integration/test_rest_load.py",  # waits
    "unit/test_nlweb_answer.py",
    "e2e/test_page_identity.py",
    "integration/test_http_stream.py",  # waits
    "unit/test_architecture.py",
    "reliability/test_stuck_reader.py",  # waits
    "integration/test_request_envelope.py",  # waits
    "e2e/test_admin_looks.py",
)


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests, those of the long files first; within a file they stay as they are."""
    place = {name: number for number, name in enumerate(LONG_FIRST)}
    return sorted(items, key=lambda item: place.get(_name(item.path.parts), len(place)))


def _name(parts: Sequence[str]) -> str:
    return "/".join(parts[-2:])
