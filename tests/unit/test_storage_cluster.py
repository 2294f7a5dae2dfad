"""The store of several nodes: a commit is valid only in the view in which it was decided, and one clock says who is in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import trio

from salon.actors.cluster.view import Node, View
from salon.actors.log import LogPage
from salon.actors.store import Appended, Changes, RunAccount, StaleView, StoreError
from salon.actors.webhooks import StoredWebhook
from salon.persistence import resolve, resolve_shared
from salon.persistence.postgres import writer
from salon.persistence.postgres.cluster_store import ClusterStore
from salon.persistence.postgres.cluster_writer import ClusterWriter
from salon.persistence.postgres.fault import Lost
from salon.persistence.postgres.server import Server
from salon.persistence.search_index import PIECE
from tests.postgres import UNSAFE, Cluster, Databases
from tests.unit.history import BEN, History, sources
from tests.unit.stores import log_of

# The place of an event, taken by a transaction that has not ended: who wants it waits.
TAKEN = "INSERT INTO events (conversation, sequence, at, messages, salt, body) VALUES (%s, %s, 0, 0, '', '')"
WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.one() as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[ClusterStore]:
    with opened(url) as store:
        yield store


@contextmanager
def opened(url: str) -> Iterator[ClusterStore]:
    with closing(resolve_shared(url, sources())) as store:
        yield store


def execute(url: str, *statements: str) -> list[Any]:
    """Run statements as somebody else; the rows of the last."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def until(url: str, question: str, answer: object) -> None:
    """Ask until this is the answer."""
    while execute(url, question) != [(answer,)]:
        await trio.lowlevel.checkpoint()


def node(id: str) -> Node:
    return Node(id, f"called-{id}", "1")


def ids(view: View) -> list[str]:
    return [each.id for each in view.nodes]


def decided(changes: Changes, view: int) -> Changes:
    return replace(changes, view=view)


async def begin(store: ClusterStore, view: int) -> History:
    history = History()
    outcome = await store.append(decided(history.begin(), view)).wait()
    assert isinstance(outcome, Appended)
    history.state.number = outcome.number
    return history


# --- who is in --------------------------------------------------------------------------------------------------------


async def test_nodes_join_and_leave_by_installing_views(url: str, store: ClusterStore) -> None:
    members = store.membership
    first = await members.join(node("a")).wait()
    second = await members.join(node("b")).wait()
    assert second == View(first.number + 1, (node("a"), node("b")))
    assert await members.join(node("b")).wait() == second  # its answer was lost
    assert await members.leave("a").wait() == View(second.number + 1, (node("b"),))
    assert await members.leave("a").wait() == View(second.number + 1, (node("b"),))
    assert await members.beat("b", 3).wait() == View(second.number + 1, (node("b"),))


async def test_a_node_that_gives_no_sign_of_life_is_given_up_by_the_clock_of_the_database(
    url: str, store: ClusterStore
) -> None:
    members = store.membership
    await members.join(node("a")).wait()
    both = await members.join(node("b")).wait()
    assert ids(await members.beat("a", 3).wait()) == ["a", "b"]
    long_ago(url, "b", 3600)
    assert await members.beat("a", 0).wait() == View(both.number + 1, (node("a"),))
    assert ids(await members.beat("b", 0).wait()) == ["a"]  # so it knows that it is out
    assert ids(await members.join(node("b2")).wait()) == ["a", "b2"]


async def test_nobody_is_given_up_by_a_node_that_was_away_itself(
    url: str, store: ClusterStore
) -> None:
    members = store.membership
    await members.join(node("a")).wait()
    await members.join(node("b")).wait()
    for each in ("a", "b"):  # as after a restart of the database
        long_ago(url, each, 20)
    assert ids(await members.beat("a", 3).wait()) == ["a", "b"]
    assert ids(await members.beat("b", 3).wait()) == ["a", "b"]


def long_ago(url: str, node_id: str, seconds: int) -> None:
    execute(
        url,
        f"UPDATE nodes SET heartbeat_at = heartbeat_at - interval '{seconds} s' WHERE id = '{node_id}'",
    )


async def test_a_node_of_another_version_joins_once_the_others_have_left(
    url: str, store: ClusterStore
) -> None:
    members = store.membership
    await members.join(node("a")).wait()
    newer = Node("b", "called-b", "2")
    with pytest.raises(StoreError, match=r"called-a is of version 1, and this one of 2"):
        await members.join(newer).wait()
    assert ids(await members.leave("a").wait()) == []
    assert ids(await members.join(newer).wait()) == ["b"]


async def test_a_node_with_another_key_or_other_files_does_not_join(
    url: str, store: ClusterStore
) -> None:
    members = store.membership

    async def join(id: str, keys: list[str], place: str = "bucket") -> View:
        shares = {"auth.key_file": keys, "files.url": [place]}
        members.figures = lambda: json.dumps({"shares": shares})
        return await members.join(node(id)).wait()

    await join("a", ["k1"])
    with pytest.raises(StoreError, match=r"called-a has another auth.key_file than this one"):
        await join("b", ["k2"])
    with pytest.raises(StoreError, match=r"called-a has another files.url than this one"):
        await join("b", ["k1"], "a folder of this machine")
    assert ids(await join("b", ["k2", "k1"])) == ["a", "b"]  # whose key has just been changed
    with pytest.raises(StoreError, match=r"called-a has another auth.key_file"):
        await join("c", ["k2"])  # before all know the new one
    members.figures = lambda: json.dumps({"shares": {"auth.key_file": ["k2", "k1"]}})
    await members.beat("a", 60).wait()
    assert ids(await join("c", ["k2"])) == ["a", "b", "c"]


async def test_a_database_is_one_servers_or_a_clusters(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salon.persistence.postgres.membership.TIMEOUT", 0.0)
    monkeypatch.setattr("salon.persistence.postgres.membership.POLL", 0.0)
    with opened(url) as nodes:
        with (
            closing(resolve(url, sources())),
            pytest.raises(StoreError, match="no node of a cluster uses this database"),
        ):
            await nodes.membership.join(node("a")).wait()
        await nodes.membership.join(node("a")).wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_beating, nodes)
            with pytest.raises(StoreError, match="another server uses this database"):
                await trio.to_thread.run_sync(resolve, url, sources())
            nursery.cancel_scope.cancel()


async def keep_beating(store: ClusterStore) -> None:
    while True:
        await store.membership.beat("a", 3).wait()


# --- the fence --------------------------------------------------------------------------------------------------------


async def test_what_was_decided_in_another_view_is_not_stored_and_is_told_the_view(
    url: str, store: ClusterStore
) -> None:
    view = await store.membership.join(node("a")).wait()
    history = await begin(store, view.number)
    await store.append(decided(history.say("one"), view.number)).wait()
    await store.append(decided(history.join(BEN), view.number)).wait()
    other = history.fork()
    newer = await store.membership.join(node("b")).wait()
    nothing = Changes(history.id, history.state.number, ())
    for changes in (history.mark(2, BEN), history.say("two"), other.begin(), nothing):
        outcome = await store.append(decided(changes, view.number)).wait()
        assert outcome == StaleView(newer.number)
    assert [each.key for each in await log_of(store, history.id) if each.is_message] == ["one"]
    # What needs no view is stored even so, also in one group with what is refused.
    account = RunAccount(
        "bot", history.id, "run", 1, None, None, "complete", None, None, 1, 1, 1, 1
    )
    stale = store.append(decided(history.say("three"), view.number))
    saved = store.save_account(account)
    assert await stale.wait() == StaleView(newer.number)
    await saved.wait()
    assert (await store.accounts().wait()).accounts == (account,)
    await store.save_agent("bot", "{}").wait()


async def test_what_one_node_does_for_all_is_stored_for_no_other(
    url: str, store: ClusterStore
) -> None:
    await store.membership.join(node("a")).wait()
    await store.save_webhook(StoredWebhook("w", "", 1, 1)).wait()
    with opened(url) as other:
        await other.membership.join(node("b")).wait()
        with pytest.raises(StoreError, match="another node"):
            await other.move_webhook("w", 9, None).wait()
        await store.move_webhook("w", 2, None).wait()
        await store.membership.leave("a").wait()
        # What it has under way changes nothing any more of how far another is.
        with pytest.raises(StoreError, match="another node"):
            await store.move_webhook("w", 3, None).wait()
        await other.move_webhook("w", 4, None).wait()
        assert [each.cursor for each in await other.webhooks().wait()] == [4]


async def test_a_view_is_installed_only_after_the_commits_under_way(
    url: str, store: ClusterStore
) -> None:
    view = await store.membership.join(node("a")).wait()
    history = await begin(store, view.number)
    with psycopg.connect(url) as other:
        other.execute(TAKEN, (history.state.number, history.state.head + 1))
        waiting = store.append(decided(history.say("under way"), view.number))
        await until(url, WAITS, 1)
        joining = store.membership.join(node("b"))
        await until(url, WAITS, 2)
        assert not joining.done
        other.rollback()
    assert isinstance(await waiting.wait(), Appended)
    assert (await joining.wait()).number == view.number + 1


async def test_a_commit_whose_connection_is_lost_has_happened_or_never_will(
    url: str, store: ClusterStore
) -> None:
    view = await store.membership.join(node("a")).wait()
    history = await begin(store, view.number)
    with psycopg.connect(url) as other:
        other.execute(TAKEN, (history.state.number, history.state.head + 1))
        waiting = store.append(decided(history.say("lost"), view.number))
        await until(url, WAITS, 1)
        execute(url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        other.rollback()
    # A view was installed for it: what was not stored in the former one never will be.
    assert await waiting.wait() == StaleView(view.number + 1)
    assert ids(await store.membership.beat("a", 3).wait()) == ["a"]
    assert [each.key for each in await log_of(store, history.id) if each.is_message] == []


async def test_a_node_that_stops_in_the_middle_of_a_commit_keeps_no_view_from_being_installed(
    url: str, store: ClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await store.membership.join(node("a")).wait()
    monkeypatch.setattr("salon.persistence.postgres.session.IDLE", "50ms")
    with closing(Server(url).connect_reader()) as stopped:
        stopped.view = view.number
        with pytest.raises(Lost), stopped.transaction("IMMEDIATE"):  # noqa: PT012 - the database ends it meanwhile
            await store.membership.join(node("b")).wait()
            stopped.execute("SELECT 1")


async def test_who_follows_the_log_waits_for_a_commit_at_a_lower_place(
    url: str, store: ClusterStore
) -> None:
    view = await store.membership.join(node("a")).wait()
    slow, quick = await begin(store, view.number), await begin(store, view.number)
    with opened(url) as second, psycopg.connect(url) as other:
        place = await second.log_end().wait()
        assert [each.position for each in (await second.common_log(0).wait()).entries][-1] == place
        other.execute(TAKEN, (slow.state.number, slow.state.head + 1))
        waiting = store.append(decided(slow.say("slow"), view.number))
        await until(url, WAITS, 1)
        outcome = await second.append(decided(quick.say("quick"), view.number)).wait()
        assert isinstance(outcome, Appended)
        assert await second.common_log(place).wait() == LogPage((), place)
        other.rollback()
        await waiting.wait()
        found = await second.common_log(place).wait()
        assert [each.record.key for each in found.entries] == ["slow", "quick"]
        assert found.through == await second.log_end().wait()


async def test_new_conversations_of_several_nodes_have_numbers_of_their_own(
    url: str, store: ClusterStore
) -> None:
    view = await store.membership.join(node("a")).wait()
    with opened(url) as second:
        numbers = [
            (await begin(each, view.number)).state.number
            for each in (store, second, second, store, store)
        ]
    assert len(set(numbers)) == 5


async def test_one_node_indexes_for_all_and_another_goes_on_where_it_stopped(
    url: str, store: ClusterStore
) -> None:
    with opened(url) as second:
        view = await store.membership.join(node("a")).wait()
        view = await second.membership.join(node("b")).wait()
        history = await begin(store, view.number)
        texts = [f"word{n}" for n in range(PIECE)]
        await second.append(decided(history.tell(*texts), view.number)).wait()
        await until(url, "SELECT count(*) > 0 FROM search_words", True)
        assert (second._writer.keeps_house, store._writer.keeps_house) == (False, True)
        view = await second.membership.leave("a").wait()
        await second.membership.beat("b", 3600).wait()
        await second.append(decided(history.tell(*texts), view.number)).wait()
        await until(
            url,
            f"SELECT max(value::bigint) >= {2 * PIECE} FROM meta WHERE name = 'search_through'",
            True,
        )


async def test_a_server_that_is_away_is_not_said_to_be_back_until_it_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks, come_back = [0], ClusterWriter._come_back

    def counted(self: ClusterWriter) -> None:
        looks[0] += 1
        come_back(self)

    monkeypatch.setattr(writer, "BEAT", 0.01)
    monkeypatch.setattr(ClusterWriter, "_come_back", counted)
    with closing(Cluster(*UNSAFE)) as server, opened(server.url()), trio.fail_after(60):
        server.stop()
        enough = looks[0] + 10
        while looks[0] < enough:  # noqa: ASYNC110 - the thread tells nobody
            await trio.sleep(0.01)
        assert "the server cannot be reached" in caplog.text
        assert "is back" not in caplog.text
        await trio.to_thread.run_sync(server.start)
        while "is back" not in caplog.text:  # noqa: ASYNC110
            await trio.sleep(0.01)
