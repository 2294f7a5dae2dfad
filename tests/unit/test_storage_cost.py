"""What the SQLite store costs: nothing grows with the length of a conversation."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from salon.actors.model import Participant
from salon.actors.store import Appended, Changes, Record, RunAccount
from salon.persistence import accounts, batch, queries
from salon.persistence.file import File
from salon.persistence.keys import Keys
from salon.persistence.ledger import Ledger
from salon.persistence.rows import LARGEST, Rows
from tests.unit.history import History, sources
from tests.unit.stores import environment, open_store


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = File(tmp_path / "salon.db")
    connection = opened.open(sources())
    yield connection
    connection.close()
    opened.release()


def steps(connection: sqlite3.Connection, question: Any, *args: Any) -> int:
    """How many instructions SQLite's machine took."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    question(connection, *args)
    connection.set_progress_handler(None, 0)
    return count


def test_a_long_conversation_costs_what_a_short_one_costs(connection: sqlite3.Connection) -> None:
    index = Keys(connection)
    ledger = Ledger(connection, "salon.db", index)

    def grown(messages: int) -> History:
        owner = Participant(f"owner of {messages}", "Owner")
        history = History(owner=owner)
        (outcome,) = ledger.append([history.begin()])
        assert isinstance(outcome, Appended)
        history.state.number = number = outcome.number
        salt = b"s" * 16
        for start in range(2, messages + 2, 2_000):
            part = tuple(
                Record(n, n, b"{}", salt, n - 1, owner.id, f"k{n}")
                for n in range(start, min(start + 2_000, messages + 2))
            )
            assert ledger.append([Changes(history.id, number, part)]) == [Appended(number)]
        history.state.head, history.state.messages = messages + 1, messages
        for _ in range(2):
            ledger.append([history.join(Participant("x", "X")), history.leave()])
            ledger.append([history.leave(Participant("x", "X"))])
        return history

    def costs(history: History) -> dict[str, int]:
        number, head = history.state.number, history.state.head
        owner = history.owner.id
        return {
            "load": steps(connection, queries.load, history.id),
            "newest": steps(connection, queries.read, number, 0, head + 1, 50),
            "oldest": steps(connection, queries.read, number, 0, None, 50),
            "middle": steps(connection, queries.read, number, head // 2, None, 20),
            "kinds": steps(connection, queries.senders_among, number, (1, head // 2, head)),
            "unread": steps(connection, queries.messages_after, number, head // 2),
            "listing": steps(connection, queries.listing, owner, 20, 0),
            "append": steps(
                connection, lambda _: ledger.append([history.say("n", sender=history.owner)])
            ),
            "taken": steps(
                connection, lambda _: ledger.append([history.fork().say("n", sender=history.owner)])
            ),
        }

    short, long = grown(100), grown(100_000)
    index.merge_all()
    cost_short, cost_long = costs(short), costs(long)
    for name, cost in cost_short.items():
        # halving a thousand times as many takes ten steps more; all the rest is the same
        assert cost_long[name] <= cost + (600 if name == "listing" else 50), (name, cost_long[name])


def test_no_question_reads_the_whole_log(connection: sqlite3.Connection) -> None:
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    queries.load(connection, "id")
    queries.read(connection, 1, 0, None, 10)
    queries.read(connection, 1, 0, 10, 10)
    queries.messages_after(connection, 1, 5)
    queries.mentions_after(connection, 1, "id", 5)
    queries.senders_among(connection, 1, (5, 6))
    queries.targets(connection, 1, (5, 6))
    queries.thread(connection, 1, 5, 0, None, 10)
    queries.thread(connection, 1, 5, 0, 10, 10)
    queries.thread_read(connection, 1, 5, "id")
    queries.thread_unread(connection, 1, 5, "id")
    queries.runs_among(connection, 1, ("r",))
    queries.with_open_runs(connection)
    queries.listing(connection, "id", 10, 0)
    queries.find_guest(connection, b"hash")
    for agent, talk, before in product((None, "a"), (None, "t"), (None, 5)):
        accounts.page(connection, agent, talk, before, 10)
    for person, talk in product((None, "p"), (None, "t")):
        accounts.totals(connection, "a", 5, person, talk)
    connection.set_trace_callback(None)
    plans = [
        row[3]
        for question in asked
        if question.startswith(("SELECT", "\nWITH"))
        for row in connection.execute(f"EXPLAIN QUERY PLAN {question}")
    ]
    assert len(plans) > 8
    scans = [plan for plan in plans if plan.startswith("SCAN")]
    of_a_page = {"SCAN page", "SCAN chosen", "SCAN mine", "SCAN halves", "SCAN CONSTANT ROW"}
    of_a_page |= {"SCAN runs USING INDEX runs_open", "SCAN r"}  # of the open runs alone
    of_a_page.add("SCAN json_each VIRTUAL TABLE INDEX 1:")  # of the ids in a limited token
    of_a_page.add("SCAN run_accounts USING INDEX run_accounts_by_start")  # ends with the page
    of_a_page.add("SCAN json_each VIRTUAL TABLE INDEX 1:")  # the conversations that are named
    assert not [plan for plan in plans if "RIGHT PART OF ORDER BY" in plan]
    assert any("USING COVERING INDEX run_accounts_by_agent" in plan for plan in plans)
    counted = {"SCAN found"}  # a thousand at most
    assert set(scans) <= of_a_page | counted, scans


def test_no_write_reads_a_whole_table(connection: sqlite3.Connection) -> None:
    statements = {name: each for name, each in vars(batch).items() if isinstance(each, Rows)}
    assert len(statements) > 10
    for name, rows in statements.items():
        for size in (1, 7):
            asked = f"EXPLAIN QUERY PLAN {rows._text(size)}"
            found = connection.execute(asked, [1] * size * rows.width).fetchall()
            scans = [row[3] for row in found if row[3].startswith("SCAN")]
            tables = [
                scan for scan in scans if "CONSTANT ROW" not in scan and "(subquery" not in scan
            ]
            assert not tables, name


def test_what_is_done_to_the_root_makes_its_thread_no_dearer(
    connection: sqlite3.Connection,
) -> None:
    def cost(number: int, changes: int) -> list[int]:
        replies = [(number, 2 + n, "reply") for n in range(3)]
        done = [(number, 10 + n, "edit" if n % 2 else "change") for n in range(changes)]
        connection.executemany(
            "INSERT INTO events (conversation, sequence, at, body, salt, messages, sender_id, hash, target, relation) "
            "VALUES (?, ?, 1, x'', x'', 1, 'ada', 'replaced', 1, ?)",
            [(number, 1, None), *replies, *done],
        )
        return [
            steps(connection, queries.thread, number, 1, 0, None, 10),
            steps(connection, queries.thread, number, 1, 0, 10**6, 10),
            steps(connection, queries.thread_unread, number, 1, "ben"),
            steps(connection, queries.targets, number, (1,)),
        ]

    for few, many in zip(cost(1, 10), cost(2, 10_000), strict=True):
        assert many <= few + 5


def test_what_others_have_used_makes_no_question_about_one_person_dearer(
    connection: sqlite3.Connection,
) -> None:
    ledger = Ledger(connection, "salon.db", Keys(connection))

    def used(agent: str, talk: str, person: str, count: int) -> None:
        times = (0, 0, 0, 0, 0)
        ledger.append(
            [
                RunAccount(
                    agent,
                    talk,
                    f"{agent} {person} {n}",
                    n,
                    person,
                    "alone",
                    "complete",
                    None,
                    *times,
                )
                for n in range(count)
            ]
        )

    def costs() -> dict[str, int]:
        return {
            "of a person": steps(connection, accounts.totals, "bot", 0, "ada", None),
            "of a conversation": steps(connection, accounts.totals, "bot", 0, None, "talk"),
            "of both": steps(connection, accounts.totals, "bot", 0, "ada", "talk"),
            "newest": steps(connection, accounts.page, None, None, None, 10),
            "further": steps(connection, accounts.page, None, None, 30, 10),
            "in one": steps(connection, accounts.page, None, "talk", None, 10),
            "of both in pages": steps(connection, accounts.page, "bot", "talk", None, 10),
            "of one": steps(connection, accounts.page, "other", None, None, 10),
            "further of one": steps(connection, accounts.page, "other", None, 35, 10),
        }

    used("bot", "talk", "ada", 20)
    used("other", "elsewhere", "cleo", 20)
    before = costs()
    for agent in ("bot", "third"):
        used(agent, "elsewhere", "ben", 1_900)
    after = costs()
    for name, cost in before.items():
        assert after[name] <= cost + 50, (name, cost, after[name])


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 100, 2_000, LARGEST, LARGEST + 1, 9_000])
def test_rows_are_all_there_whatever_their_number(count: int) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a, b)")
    insert = Rows("INSERT INTO t SELECT * FROM {values} WHERE column1 > 0", "it")
    insert.execute(connection, [value for n in range(1, count + 1) for value in (n, str(n))])
    rows = connection.execute("SELECT a, b FROM t ORDER BY a").fetchall()
    assert rows == [(n, str(n)) for n in range(1, count + 1)]
    connection.close()


def test_no_start_imports_what_it_does_not_need(tmp_path: Path) -> None:
    open_store(tmp_path / "salon.db").close()
    script = (
        "import sys, json, salon.persistence.memory; early = sorted(sys.modules)\n"
        "from tests.unit.history import sources; from salon.persistence import resolve\n"
        f"resolve('sqlite:///{tmp_path}/salon.db', sources()).close()\n"
        "print(json.dumps([early, sorted(sys.modules)]))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=environment()
    )
    early, late = map(set, json.loads(shown.stdout))
    assert "sqlite3" not in early
    assert "sqlite3" in late
    assert not {"sqlalchemy", "alembic"} & late
