"""Files of other versions: older ones are brought up to date, newer ones are refused."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine

from salon.persistence import file, migration, search_index
from salon.persistence.file import File
from salon.persistence.migrations import NEWEST
from salon.persistence.schema import metadata
from tests.unit.history import sources
from tests.unit.stores import at_revision, filled, holds, open_store, refusal

NEXT = '''
"""Another."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"

def upgrade():
    op.create_table("added", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("guests", sa.Column("added", sa.Text))
    {end}
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The scripts of a later version."""
    scripts = tmp_path / "100% newer"
    shutil.copytree(migration.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "9999_another.py").write_text(NEXT.format(newest=NEWEST, end=""))
    return scripts


def take(patch: pytest.MonkeyPatch, scripts: Path) -> None:
    """Be the later version."""
    patch.setattr(migration, "SCRIPTS", scripts)
    patch.setattr(file, "NEWEST", "9999")


def schema_of(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    connection.close()
    return names


def test_the_migrations_make_the_schema_that_the_code_describes(path: Path) -> None:
    open_store(path).close()
    connection = sqlite3.connect(path)
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as alchemy:
        assert compare_metadata(MigrationContext.configure(alchemy), metadata) == []
    without_rowid = {
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_schema WHERE sql LIKE '%WITHOUT ROWID%'"
        )
    }
    described = {
        name
        for name, table in metadata.tables.items()
        if not table.dialect_options["sqlite"]["with_rowid"]
    }
    assert without_rowid == described
    connection.close()


def test_the_newest_migration_is_the_last() -> None:
    config = Config()
    config.set_main_option("script_location", str(migration.SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST


def test_an_older_file_is_upgraded(
    path: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(path)
    take(monkeypatch, newer)
    assert holds(path, history)
    assert "added" in schema_of(path)


def test_an_upgrade_that_fails_changes_nothing(
    path: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(path)
    failing = NEXT.format(newest=NEWEST, end='op.execute("INSERT INTO nowhere VALUES (1)")')
    (newer / "versions" / "9999_another.py").write_text(failing)
    with monkeypatch.context() as patch:
        take(patch, newer)
        assert "nowhere" in refusal(path)
    assert "added" not in schema_of(path)
    assert holds(path, history)


def test_a_newer_file_is_refused_and_left_alone(
    path: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(path)
    with monkeypatch.context() as patch:
        take(patch, newer)
        open_store(path).close()
        content = path.read_bytes()
    text = refusal(path)
    assert "a newer version wrote it (schema 9999)" in text
    assert "install that version" in text
    assert path.read_bytes() == content
    take(monkeypatch, newer)
    assert holds(path, history)


BEHIND = (
    "SELECT count(*) FROM members m WHERE read_sequence < (SELECT max(sequence) FROM events "
    "WHERE conversation = m.conversation AND sender_id = m.participant)"
)


@pytest.fixture
def first(path: Path) -> Path:
    """A store that the first version wrote, with schema 0001."""
    written = Path(__file__).parents[1] / "stores" / "first.db.gz"
    path.write_bytes(gzip.decompress(written.read_bytes()))
    return path


def count(path: Path, query: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(query).fetchone()[0])


def test_0002_knows_no_names_but_those_of_the_log_and_has_introduced_nobody(first: Path) -> None:
    members = count(first, "SELECT count(*) FROM members")
    open_store(first).close()
    assert count(first, "SELECT count(*) FROM names") == 0
    assert count(first, "SELECT count(*) FROM members WHERE NOT introduced") == members > 0


def test_0003_moves_each_read_position_to_what_its_owner_had_sent(first: Path) -> None:
    assert count(first, BEHIND) > 0
    further = "SELECT sum(read_sequence) FROM members"
    before = count(first, further)
    open_store(first).close()
    assert count(first, BEHIND) == 0
    assert count(first, further) > before


def test_0004_counts_mentions_from_then_on(first: Path) -> None:
    messages = count(first, "SELECT count(*) FROM events WHERE sender_id IS NOT NULL")
    open_store(first).close()
    assert count(first, "SELECT count(*) FROM mentions") == 0
    assert count(first, "SELECT count(*) FROM events WHERE sender_id IS NOT NULL") == messages > 0


def test_0005_has_no_runs_and_every_agent_answers_as_it_is_asked(first: Path) -> None:
    open_store(first).close()
    assert count(first, "SELECT count(*) FROM runs") == 0
    assert count(first, "SELECT count(*) FROM run_texts") == 0
    members = count(first, "SELECT count(*) FROM members")
    unchanged = "SELECT count(*) FROM members WHERE agent_trigger = 'auto' AND agent_calls = 0"
    assert count(first, unchanged) == members > 0


def test_0006_has_no_accounts_and_no_agents_and_the_log_is_as_it_was(first: Path) -> None:
    events = "SELECT count(*) || ' ' || sum(length(body)) || ' ' || max(position) FROM events"
    with closing(sqlite3.connect(first)) as connection:
        before = connection.execute(events).fetchone()
    open_store(first).close()
    assert count(first, "SELECT count(*) FROM run_accounts") == 0
    assert count(first, "SELECT count(*) FROM hosted_agents") == 0
    with closing(sqlite3.connect(first)) as connection:
        assert connection.execute(events).fetchone() == before


def test_0006_leaves_the_runs_of_the_version_before_it(path: Path) -> None:
    at_revision(path, "0005")
    assert "run_accounts" not in schema_of(path)
    rows = (
        "SELECT run_id, started FROM runs",
        "SELECT * FROM run_texts",
        "SELECT participant, place FROM members",
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO runs VALUES (1, 'r', 'bot', 3, 5, NULL, 'ada', 0)")
        connection.execute("INSERT INTO run_texts VALUES (1, 'r', 0, 'Fish')")
        connection.execute(
            "INSERT INTO members (conversation, participant, name, type, role, joined_at, place) "
            "VALUES (1, 'bot', 'Bot', 'agent', 'member', 2, 2)"
        )
        connection.commit()
        before = [connection.execute(query).fetchall() for query in rows]
    assert all(before)
    open_store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert [connection.execute(query).fetchall() for query in rows] == before


def test_0007_leaves_the_log_as_it_was_and_its_messages_can_be_changed(first: Path) -> None:
    rows = "SELECT position, conversation, sequence, at, messages, sender_id, key, salt, body FROM events"
    with closing(sqlite3.connect(first)) as connection:
        before = connection.execute(rows).fetchall()
    store = open_store(first)
    store.close()
    with closing(sqlite3.connect(first)) as connection:
        assert connection.execute(rows).fetchall() == before
    changed = "SELECT count(*) FROM events WHERE coalesce(hash, target, relation) IS NOT NULL"
    assert count(first, changed) == 0
    for table in ("reactions", "pins", "deletions", "thread_reads"):
        assert count(first, f"SELECT count(*) FROM {table}") == 0


def test_0008_leaves_everybody_their_role_and_forbids_nobody_anything(first: Path) -> None:
    roles = "SELECT group_concat(participant || role) FROM (SELECT * FROM members ORDER BY 1, 2)"
    with closing(sqlite3.connect(first)) as connection:
        before = connection.execute(roles).fetchone()
    open_store(first).close()
    with closing(sqlite3.connect(first)) as connection:
        assert connection.execute(roles).fetchone() == before
    usual = "permissions = '{}' AND history = 'all' AND slow_mode = 0 AND direct = 0"
    everywhere = count(first, "SELECT count(*) FROM conversations")
    assert count(first, f"SELECT count(*) FROM conversations WHERE {usual}") == everywhere > 0
    for table in ("sanctions", "invites", "join_requests"):
        assert count(first, f"SELECT count(*) FROM {table}") == 0


def test_0009_leaves_the_messages_to_be_indexed_while_the_server_runs(first: Path) -> None:
    file = File(first)
    file.open(sources()).close()
    file.release()
    assert count(first, "SELECT count(*) FROM search_parts") == 0
    with closing(sqlite3.connect(first)) as connection:
        assert search_index.through(connection) == 0
    assert not any(name.startswith("search_0") for name in schema_of(first))


def test_0010_has_no_files_and_the_log_is_as_it_was(first: Path) -> None:
    events = "SELECT count(*) || ' ' || sum(length(body)) || ' ' || max(position) FROM events"
    with closing(sqlite3.connect(first)) as connection:
        before = connection.execute(events).fetchone()
    open_store(first).close()
    assert count(first, "SELECT count(*) FROM files") == 0
    with closing(sqlite3.connect(first)) as connection:
        assert connection.execute(events).fetchone() == before
