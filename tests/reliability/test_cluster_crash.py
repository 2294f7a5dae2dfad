"""`salon crash --cluster` does real faults to three real nodes, and finds what is lost where a node loses something."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.reliability.test_crash import salon

TOO_EARLY = '''
"""A node that answers before it has committed: put before all else by Python itself."""

import sys
import time

from salon.actors.future import Future
from salon.actors.store import Appended
from salon.persistence.postgres.cluster_writer import ClusterWriter

append, commit = ClusterWriter.append, ClusterWriter._commit


def answer_at_once(self, changes):
    future = append(self, changes)
    # Messages alone: who has joined and is not found in the log may not speak.
    if changes.number and changes.records and not (changes.state_events or changes.rewrites):
        future = Future()
        future.set(Appended(changes.number))
    return future


def commit_later(self, group):
    time.sleep(0.1)
    commit(self, group)


ClusterWriter.append, ClusterWriter._commit = answer_at_once, commit_later

if "crash" in sys.argv:  # what is lost by then is lost: nobody waits two minutes for it
    from salon.loadtests.crash import cluster_run, nemesis

    cluster_run.SETTLED = nemesis.PATIENCE = 5
'''


@pytest.fixture
def open_folder() -> Iterator[str]:
    """A folder that the user of PostgreSQL may enter, too."""
    with TemporaryDirectory(prefix="salon-test-") as folder:
        Path(folder).chmod(0o755)
        yield folder


@pytest.mark.timeout(600)  # four processes start, on a machine that may be busy
def test_a_node_that_answers_before_it_has_committed_is_found_out_when_it_is_killed(
    tmp_path: Path, open_folder: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TOO_EARLY)
    options = ("--cluster", "--kills", "1", "--kind", "owner", "--no-faults", "--rooms", "1")
    paths = os.pathsep.join([f"{tmp_path}", *filter(None, [os.environ.get("PYTHONPATH")])])
    code, figures, said = salon(
        *("crash", *options, "--seed", "1"), PYTHONPATH=paths, TMPDIR=open_folder
    )
    assert code == 1, said
    assert figures["lost"] > 0, said
    assert "anomaly: lost" in said
