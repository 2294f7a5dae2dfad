"""The store in PostgreSQL: who may write, what a lost connection does, what operators are told, and the way through a pooler."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import trio

from salon.actors.store import Appended, Changes, KeysTaken, StoreError
from salon.persistence import resolve
from salon.persistence.migrations import NEWEST
from salon.persistence.postgres import dialect, fault, readers, view, writer
from salon.persistence.postgres import store as store_module
from salon.persistence.postgres.store import PostgresStore
from tests import processes
from tests.pooler import Pooler
from tests.postgres import UNSAFE, USER, Cluster, Databases
from tests.unit.history import BEN, History, sources
from tests.unit.stores import ROOT, begin, environment, log_of

# The place of an event, taken by a transaction that has not ended: who wants it waits.
TAKEN = "INSERT INTO events (conversation, sequence, at, messages, salt, body) VALUES (%s, %s, 0, 0, '', '')"
MARKS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.one() as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with opened(url) as store:
        yield store


@contextmanager
def opened(url: str) -> Iterator[PostgresStore]:
    store = resolve(url, sources())
    assert isinstance(store, PostgresStore)
    with closing(store):
        yield store


def execute(url: str, *statements: str) -> list[Any]:
    """Run statements as somebody else; the rows of the last."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def refusal(url: str) -> str:
    """What the operator reads."""
    with pytest.raises(StoreError) as caught:
        resolve(url, sources())
    return str(caught.value)


async def said(store: PostgresStore, history: History) -> list[str | None]:
    return [record.key for record in await log_of(store, history.id) if record.is_message]


# --- who writes -------------------------------------------------------------------------------------------------------


def test_a_second_server_is_refused_and_told_who_the_first_is(url: str) -> None:
    with opened(url):
        assert f"another server uses this database (process {os.getpid()} on " in refusal(url)
    with opened(url):
        pass  # one that has closed is not waited for


def test_a_server_that_was_killed_on_this_machine_is_not_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, sys; from tests.unit.history import sources; from salon.persistence import resolve\n"
        "resolve(sys.argv[1], sources()); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, url]
    assert subprocess.run(command, check=False, env=environment()).returncode == -9
    assert len(execute(url, "SELECT 1 FROM nodes")) == 1

    def wait(seconds: float) -> None:
        raise AssertionError("it waits")

    with monkeypatch.context() as patched:
        patched.setattr(view.time, "sleep", wait)
        with opened(url):
            pass


async def test_nothing_is_written_in_a_view_that_has_passed(url: str, store: PostgresStore) -> None:
    history = await begin(store)
    await store.append(history.say("first")).wait()
    execute(url, "UPDATE cluster SET view = view + 1", "DELETE FROM nodes")
    for changes in (history.say("second"), history.join(BEN)):  # in one statement, and in several
        with pytest.raises(StoreError, match="another server has taken this database over"):
            await store.append(changes).wait()
    with pytest.raises(StoreError, match="another server has taken this database over"):
        await store.save_agent("bot", "{}").wait()
    assert await said(store, history) == ["first"]


async def test_a_view_is_installed_only_after_the_commits_under_way(
    url: str, store: PostgresStore
) -> None:
    history = await begin(store)
    with psycopg.connect(url) as other:
        other.execute(TAKEN, (history.state.number, history.state.head + 1))
        waiting = store.append(history.say("under way"))
        await until(url, "SELECT count(*) FROM pg_locks WHERE NOT granted", 1)
        with psycopg.connect(url) as next_one:
            next_one.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                next_one.execute(f"SELECT pg_advisory_xact_lock({view.LOCK})")
        other.rollback()
    assert isinstance(await waiting.wait(), Appended)


async def until(url: str, question: str, answer: object) -> None:
    """Ask until this is the answer."""
    while execute(url, question) != [(answer,)]:
        await trio.lowlevel.checkpoint()


# --- lost connections -------------------------------------------------------------------------------------------------


async def test_a_commit_whose_connection_is_ended_is_made_once(
    url: str, store: PostgresStore
) -> None:
    history = await begin(store)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
        waiting = store.append(history.say("once"))
        await until(url, "SELECT count(*) FROM pg_locks WHERE NOT granted", 1)
        execute(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted",
        )
        other.rollback()
    assert isinstance(await waiting.wait(), Appended)
    assert await said(store, history) == ["once"]


async def test_reads_and_writes_go_on_after_all_connections_were_ended(
    url: str, store: PostgresStore
) -> None:
    history = await begin(store)
    assert await store.load(history.id).wait() == history.state
    execute(url, f"SELECT pg_terminate_backend(pid) FROM ({MARKS}) mine")
    assert await store.load(history.id).wait() == history.state
    assert isinstance(await store.append(history.say("on")).wait(), Appended)
    assert await said(store, history) == ["on"]


@pytest.fixture
def pooler(databases: Databases) -> Iterator[Pooler]:
    pooler = Pooler(databases.cluster.folder)
    yield pooler
    pooler.close()


def through(pooler: Pooler, url: str) -> str:
    return pooler.url(urlsplit(url).path[1:], USER)


async def test_a_commit_whose_answer_is_lost_is_known_and_not_made_twice(
    url: str, pooler: Pooler
) -> None:
    with opened(through(pooler, url)) as store:
        history = await begin(store)
        pooler.lose_the_answer_to(b"INSERT INTO events")
        first = history.say("once")
        assert isinstance(await store.append(first).wait(), Appended)
        assert pooler.lost.is_set()
        pooler.lost.clear()
        other = History()
        pooler.lose_the_answer_to(b"INSERT INTO conversations")  # whose number is not known either
        outcome = await store.append(other.begin()).wait()
        assert isinstance(outcome, Appended)
        other.state.number = outcome.number
        assert pooler.lost.is_set()
        assert await said(store, history) == ["once"]
        assert await store.load(other.id).wait() == other.state


async def test_a_store_works_through_a_pooler_that_gives_each_transaction_another_connection(
    url: str, pooler: Pooler
) -> None:
    with opened(through(pooler, url)) as store:
        history = await begin(store)
        for n in range(5):
            assert isinstance(await store.append(history.say(f"k{n}")).wait(), Appended)
        assert isinstance(await store.append(history.mark(3)).wait(), Appended)
        await store.rename("ada", "Ada L.", 1, chosen=True).wait()
        assert await said(store, history) == [f"k{n}" for n in range(5)]
        used = await store.keys_among(history.state.number, [("ada", "k2"), ("ada", "k9")]).wait()
        assert [record.sequence for record in used.values()] == [4]
        assert refusal(url).count("another server uses this database") == 1
    assert pooler.transactions > 10


async def test_commits_wait_for_a_server_that_restarts_and_are_refused_if_it_is_away_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Cluster(*UNSAFE)) as cluster, opened(cluster.url()) as store:
        history = await begin(store)
        cluster.stop()
        waiting = store.append(history.say("kept"))
        renamed, asked = store.rename("ada", "Ada L.", 1, chosen=True), store.load(history.id)
        await trio.to_thread.run_sync(cluster.start)
        assert isinstance(await waiting.wait(), Appended)
        await renamed.wait()
        assert await store.name_of("ada").wait() == ("Ada L.", True)
        assert await asked.wait() is not None
        monkeypatch.setattr(writer, "PATIENCE", 0.0)
        monkeypatch.setattr(readers, "PATIENCE", 0.0)
        cluster.stop()
        refused = history.say("refused")
        with pytest.raises(StoreError, match="the server cannot be reached"):
            await store.append(refused).wait()
        with pytest.raises(StoreError, match="the server cannot be reached"):
            await store.load(history.id).wait()
        await trio.to_thread.run_sync(cluster.start)
        assert isinstance(await store.append(refused).wait(), Appended)
        assert await said(store, history) == ["kept", "refused"]
    assert "the server is back" in caplog.text


def test_a_start_waits_for_a_database_that_is_just_starting() -> None:
    with closing(Cluster(*UNSAFE)) as cluster:
        cluster.stop()
        later = threading.Timer(0.3, cluster.start)
        later.start()
        with opened(cluster.url()):
            pass
        later.join()


# --- what operators are told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("53100", "the disk of the server is full: make room there, and writing goes on by itself"),
        ("25006", "target_session_attrs=read-write"),
        ("57014", "statement_timeout"),
        ("40001", "another transaction came first"),
        ("42501", "the user may not do that"),
    ],
)
async def test_a_fault_of_the_server_refuses_a_commit_in_words_and_passes(
    url: str, store: PostgresStore, code: str, words: str
) -> None:
    history = await begin(store)
    execute(
        url,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$",
        "CREATE TRIGGER failing BEFORE INSERT ON events EXECUTE FUNCTION fail()",
    )
    changes = history.say("k")
    with pytest.raises(StoreError, match=words):
        await store.append(changes).wait()
    execute(url, "DROP TRIGGER failing ON events", "DROP FUNCTION fail")
    assert isinstance(await store.append(changes).wait(), Appended)
    again = Changes(history.id, history.state.number, history.say("k").records)
    taken = await store.append(again).wait()
    assert isinstance(taken, KeysTaken)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("synchronous_commit = off", "synchronous_commit is off"),
        ("default_transaction_read_only = on", "name the primary"),
    ],
)
def test_a_database_that_would_break_promises_is_refused(
    databases: Databases, setting: str, words: str
) -> None:
    name = setting.partition(" ")[0]
    databases.cluster.execute(f"CREATE DATABASE {name}", f"ALTER DATABASE {name} SET {setting}")
    assert words in refusal(databases.cluster.url(name))


def test_a_database_with_another_encoding_is_refused(databases: Databases) -> None:
    databases.cluster.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    assert "its encoding is LATIN1: make the database anew" in refusal(
        databases.cluster.url("latin")
    )


def test_what_cannot_be_connected_to_is_named_without_its_password(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "STARTING", 0.0)
    nobody = "postgresql://ada:verySecret@127.0.0.1:9/db?connect_timeout=2"
    assert "postgresql://ada:***@127.0.0.1:9/db" in refusal(nobody)
    assert "verySecret" not in refusal(nobody)
    told = refusal("postgresql://ada:verySecret@[::1/db")
    assert "this is no address of a database" in told
    assert "verySecret" not in told
    assert "there is no such database: make it" in refusal(databases.cluster.url("nothing"))
    databases.cluster.execute("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    crowded = databases.cluster.url().replace(USER, "crowd", 1)
    assert "no connection left" in refusal(crowded)


def test_a_wrong_password_is_told_and_not_shown() -> None:
    with closing(Cluster(*UNSAFE, auth="scram-sha-256")) as cluster:
        wrong = cluster.url().replace(f"{USER}@", f"{USER}:verySecret@", 1)
        told = refusal(wrong)
        assert "the server refused the password" in told
        assert "verySecret" not in told


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ada:pass@word@host/db",
        "host=h password=pass@word user=ada",
        "host=h password='pass@word' user=ada",
        "postgresql://host/db?password=pass@word&user=ada",
    ],
)
def test_no_form_of_a_password_is_shown(text: str) -> None:
    assert "pass@word" not in fault.without_password(text)
    assert "word" not in fault.without_password(text).replace("password", "")


def test_the_tables_of_another_program_are_left_alone(databases: Databases) -> None:
    databases.cluster.execute("CREATE DATABASE theirs")
    url = databases.cluster.url("theirs")
    execute(url, "CREATE TABLE events (theirs text)")
    assert "tables of another program" in refusal(url)
    assert execute(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


def test_a_store_of_a_newer_version_is_left_alone_and_one_of_an_earlier_is_migrated(
    databases: Databases,
) -> None:
    databases.cluster.execute("CREATE DATABASE former")
    url = databases.cluster.url("former")
    with opened(url):
        pass
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    assert "a newer version wrote it (schema 9999)" in refusal(url)
    execute(url, "UPDATE alembic_version SET version_num = '0014'", "DROP TABLE accounts")
    with opened(url):
        assert execute(url, "SELECT version_num FROM alembic_version") == [(NEWEST,)]
    kinds = (
        "SELECT data_type FROM information_schema.columns WHERE table_name = 'accounts' ORDER BY 1"
    )
    assert execute(url, kinds) == [("bigint",), ("text",), ("text",)]


async def test_the_rights_of_the_documentation_are_enough(databases: Databases) -> None:
    databases.cluster.execute("CREATE DATABASE salon")
    owner = databases.cluster.url("salon")
    with opened(owner):
        pass
    text = (ROOT / "docs" / "postgresql.md").read_text()
    (rights,) = re.findall("```sql\n(CREATE ROLE.*?)```", text, re.DOTALL)
    execute(owner, *filter(None, map(str.strip, rights.split(";"))))
    with opened(owner.replace(f"{USER}@", "salon_server@", 1)) as store:
        history = await begin(store)
        assert isinstance(await store.append(history.say("k")).wait(), Appended)
        assert await store.load(history.id).wait() == history.state
        await store.rename("ada", "Ada L.", 1, chosen=True).wait()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        execute(owner.replace(f"{USER}@", "salon_server@", 1), "DROP TABLE events")


def test_the_doctor_and_the_upgrade_speak_of_the_database(databases: Databases) -> None:
    databases.cluster.execute("CREATE DATABASE looked_at")
    url = databases.cluster.url("looked_at")

    def run(*words: str) -> str:
        return processes.run([*words, "--store", url], env={}).stdout

    assert "fsync is off: a crash of the machine can lose everything" in run("doctor")
    assert "schema None" in run("upgrade", "--check")
    with opened(url):
        pass
    assert f"schema {NEWEST}\nNothing is to be migrated." in run("upgrade", "--check")
    execute(url, "UPDATE alembic_version SET version_num = '0014'", "DROP TABLE accounts")
    assert "Adds the accounts of people" in run("upgrade", "--check")
    assert execute(url, "SELECT version_num FROM alembic_version") == [("0014",)]
    assert "Upgraded." in run("upgrade")
    assert execute(url, "SELECT version_num FROM alembic_version") == [(NEWEST,)]
    databases.cluster.execute("ALTER DATABASE looked_at SET synchronous_commit = off")
    assert "synchronous_commit is off" in run("doctor")


def test_a_store_without_its_library_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from tests.unit.history import sources; from salon.persistence import resolve\n"
        "resolve('postgresql://host/db', sources())"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment())
    assert "pip install 'salon[postgres]'" in done.stderr.splitlines()[-1]


# --- the dialect ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "translated"),
    [
        (
            "SELECT max(a, min(b, ?)), max(c) FROM t",
            "SELECT greatest(a, least(b, %s)), max(c) FROM t",
        ),
        ("SELECT ?1 WHERE ?2 = ?1", "SELECT %(p1)s WHERE %(p2)s = %(p1)s"),
        (
            "SELECT '?', '%', x'' WHERE a = :name",
            "SELECT '?', '%%', CAST('' AS bytea) WHERE a = %(name)s",
        ),
        ("SELECT 1 FROM a CROSS JOIN b c ON c.d = a.d", "SELECT 1 FROM a JOIN b c ON c.d = a.d"),
    ],
)
def test_statements_are_put_into_the_other_dialect(statement: str, translated: str) -> None:
    assert dialect.translate(statement).text == translated


def test_a_database_that_restarts_while_a_store_is_opened_is_waited_for(
    databases: Databases,
) -> None:
    tries: list[str] = []

    def opened() -> str:
        tries.append("one")
        if len(tries) < 3:
            raise store_module.RestartingError("the database system is starting up")
        return "opened"

    assert store_module.patiently(opened) == "opened"
    with databases.one() as url:
        with pytest.raises(store_module.RestartingError), store_module.prepared(url):
            raise psycopg.OperationalError("FATAL: the database system is starting up")
        with pytest.raises(StoreError, match="no such thing"), store_module.prepared(url):
            raise StoreError("no such thing")
