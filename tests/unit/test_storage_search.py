"""Searching, whichever the store: what a message says now and who may read it now decide, however far the index has come."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salon.actors.messages import Post
from salon.actors.model import Participant
from salon.actors.search import WINDOW, Found, QueryError, Sought, parse, relevance
from salon.actors.store import (
    Appended,
    Changes,
    Rewrite,
    SearchUnavailableError,
    Store,
    event_hash,
)
from salon.persistence import memory_search, resolve, search_index, searching
from salon.persistence.file import File
from salon.persistence.keys import Keys
from salon.persistence.ledger import Ledger
from tests.inside import until
from tests.postgres import Databases
from tests.unit.history import ADA, BEN, CLEO, History, sources
from tests.unit.stores import AnyStore, filled, open_store

shared = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and pieces of the index so small that a test has several of them, and a rest beside them."""
    monkeypatch.setattr(search_index, "PART", 16)
    monkeypatch.setattr(search_index, "PIECE", 4)
    monkeypatch.setattr(search_index, "LAG", 4)


async def put(store: Store, history: History, changes: Changes) -> None:
    outcome = await store.append(changes).wait()
    assert isinstance(outcome, Appended)
    history.state.number = outcome.number


async def begin(store: Store, *entrants: Participant, owner: Participant = ADA) -> History:
    history = History(*entrants, owner=owner)
    await put(store, history, history.begin())
    return history


async def search(
    store: Store, query: str, reader: Participant | None = ADA, **options: object
) -> Found:
    terms = parse(query) if query else ()
    sought = Sought(None if reader is None else reader.id, terms, **options)  # type: ignore[arg-type]
    return await store.search(sought).wait()


def texts(found: Found) -> list[str]:
    return [json.loads(hit.body)["message"]["content"] for hit in found.hits]


async def found(store: Store, query: str, reader: Participant = ADA, **options: object) -> set[str]:
    return set(texts(await search(store, query, reader, **options)))


async def test_words_beginnings_and_phrases_are_found(store: Store) -> None:
    history = await begin(store)
    said = ("The plan for lunch", "plans for the lunch", "for lunch the plan", "nothing")
    await put(store, history, history.tell(*said))
    plan, plans, later, _ = said
    assert await found(store, "plan") == {plan, later}
    assert await found(store, "PLAN lunch") == {plan, later}
    assert await found(store, "plan*") == {plan, plans, later}
    assert await found(store, '"the plan"') == {plan, later}
    assert await found(store, '"plan for lun"*') == {plan}
    assert await found(store, "plan nobody") == set()


@pytest.mark.parametrize(
    ("text", "queries", "others"),
    [
        ("Crème brûlée, naïve Ärzte", ["creme brulee", "NAÏVE", "arzt*"], ["crem", "arzt"]),
        ("Straße und STRASSE", ["strasse", "straße"], ["strass"]),
        ("Ёлка и Ελλάδα", ["елка", "ελλαδα", "ЁЛКА"], ["ел"]),
        ("我们明天一起吃午饭", ["明天", "吃", "一起吃午饭", '"明天一起"'], ["明起", "饭午"]),
        ("来週のミーティングは中止です", ["ミーティング", "中止", "来週"], ["来止"]),
        ("ﾐｰﾃｨﾝｸﾞ ＡＢＣ", ["ミーティング", "abc"], ["ab"]),
        ("พรุ่งนี้ไปกินข้าว", ["กินข้าว", "พรุ่งนี้"], ["ข้าวกิน"]),
        ("내일 점심 먹자", ["점심", "내일", "먹*"], ["점"]),
        ("שָׁלוֹם עולם", ["שלום", "עולם"], ["שלו"]),
        ("مَرحَبا بالعالم", ["مرحبا"], ["مرحب"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनि*"], ["नमस"]),
        ("iPhone手机 v2.0", ["iphone", "手机", "iphone手机", "v2.0", '"v2 0"'], ["phone", "0.2"]),
        ("don\u2019t e-mail co\u00adop", ["don't", "e-mail", "coop", "mail"], ["dont"]),
    ],
)
async def test_any_script_is_found_without_its_case_and_accents(
    store: Store, text: str, queries: list[str], others: list[str]
) -> None:
    history = await begin(store)
    await put(store, history, history.tell(text, *["something else"] * 9))
    for query in queries:
        assert await found(store, query) == {text}, query
    for query in others:
        assert await found(store, query) == set(), query


async def test_a_message_is_found_as_soon_as_it_is_stored(store: Store) -> None:
    history = await begin(store)
    for number in range(40):
        await put(store, history, history.tell(f"word{number} said"))
        assert await found(store, f"word{number}") == {f"word{number} said"}
    for number in range(40):
        assert await found(store, f"word{number}") == {f"word{number} said"}


async def test_nobody_finds_what_they_are_no_member_of(store: Store) -> None:
    hers = await begin(store)
    shared = await begin(store, BEN)
    await put(store, hers, hers.tell(*["a secret"] * 9))
    await put(store, shared, shared.tell(*["no secret"] * 9))
    assert await found(store, "secret") == {"a secret", "no secret"}
    assert await found(store, "secret", BEN) == {"no secret"}
    assert await found(store, "secret", CLEO) == set()
    assert await found(store, "secret", BEN, conversation_id=hers.id) == set()
    assert await found(store, "secret", conversation_id=hers.id) == {"a secret"}
    everything = await search(store, "secret", None, conversation_id=hers.id)
    assert set(texts(everything)) == {"a secret"}
    assert (await search(store, "secret", None)).hits == ()
    await put(store, shared, shared.leave(BEN))
    assert await found(store, "secret", BEN) == set()
    await put(store, shared, shared.join(CLEO))
    assert await found(store, "secret", CLEO) == {"no secret"}


async def test_many_conversations_are_searched_as_few_are(store: Store) -> None:
    others = await begin(store, owner=CLEO)
    await put(store, others, others.tell(*["a plan of others"] * 5))
    for number in range(searching.ROOMS + 2):
        history = await begin(store)
        await put(store, history, history.tell(f"plan {number}", "else"))
    said = {f"plan {number}" for number in range(searching.ROOMS + 2)}
    assert await found(store, "plan", limit=50) == said


async def test_who_said_it_and_when_narrows(store: Store) -> None:
    history = await begin(store, BEN)
    for sender, text in ((ADA, "plan one"), (BEN, "plan two"), (ADA, "plan three")):
        await put(store, history, history.tell(text, *["else"] * 5, sender=sender))
    times = [r.at for r in history.records if b"plan" in r.body]
    assert await found(store, "plan", sender_id=BEN.id) == {"plan two"}
    assert await found(store, "plan", after=times[1]) == {"plan two", "plan three"}
    assert await found(store, "plan", before=times[1]) == {"plan one"}
    assert await found(store, "plan", after=times[1], before=times[2]) == {"plan two"}


async def test_files_are_found_with_and_without_words(store: Store) -> None:
    history = await begin(store)
    body = b'{"type":"message","message":{"content":"%s","files":[{"file_id":"f"}]}}'
    turn = history.tell("the plan", "a plan", *["else"] * 6)
    first = turn.records[0]._replace(body=body % b"the plan")
    odd = turn.records[2]._replace(body=body % "caf\u00e9 menu".encode())
    records = (first, turn.records[1], odd, *turn.records[3:])
    await put(store, history, Changes(history.id, history.state.number, records))
    assert await found(store, "plan", with_file=True) == {"the plan"}
    assert await found(store, "", with_file=True) == {"the plan", "caf\u00e9 menu"}
    assert await found(store, "file") == set()


async def test_a_hit_has_the_messages_beside_it(store: Store) -> None:
    history = await begin(store)
    await put(store, history, history.tell("first"))
    await put(store, history, history.join(BEN))
    await put(store, history, history.tell("second", "third"))
    (hit,) = (await search(store, "second")).hits
    assert (hit.conversation_id, hit.title) == (history.id, "The plan")
    assert hit.body == history.records[3].body
    assert (hit.before, hit.after) == (history.records[1].body, history.records[4].body)
    (hit,) = (await search(store, "first")).hits
    assert hit.before is None


async def test_what_is_far_from_a_hit_is_not_beside_it(store: Store) -> None:
    history = await begin(store)
    await put(store, history, history.tell("first"))
    for _ in range(searching.NEAR // 2):
        await put(store, history, history.join(BEN))
        await put(store, history, history.leave(BEN))
    await put(store, history, history.tell("second"))
    (hit,) = (await search(store, "second")).hits
    assert hit.before is None
    assert searching.NEAR == memory_search.NEAR


async def test_of_two_as_old_the_one_that_is_more_about_it_comes_first(store: Store) -> None:
    history = await begin(store)
    said = ["the plan " + "and much else " * 20, "the plan", "a plan, our plan, the plan"]
    await put(store, history, history.tell(*said))
    assert texts(await search(store, "plan")) == [said[2], said[1], said[0]]


async def pages(store: Store, query: str, **options: object) -> list[str]:
    """All hits, page by page."""
    found = await search(store, query, **options)  # type: ignore[arg-type]
    said = texts(found)
    while found.next is not None:
        found = await search(store, query, place=found.next, **options)  # type: ignore[arg-type]
        said += texts(found)
    return said


async def test_the_pages_show_each_hit_once_also_beyond_the_window(store: Store) -> None:
    history = await begin(store)
    said = [f"plan {number}" for number in range(WINDOW + 55)]
    await put(store, history, history.tell(*said))
    shown = await pages(store, "plan", limit=20)
    assert len(shown) == len(said)
    assert set(shown) == set(said)
    assert set(shown[:WINDOW]) == set(said[-WINDOW:]), "the newest are ranked together"


async def test_what_is_said_between_two_pages_moves_nothing(store: Store) -> None:
    history = await begin(store)
    said = [f"plan {number}" for number in range(7)]
    await put(store, history, history.tell(*said))
    first = await search(store, "plan", limit=4)
    await put(store, history, history.tell("plan", "plan", "plan"))
    second = await search(store, "plan", limit=4, place=first.next)
    assert sorted(texts(first) + texts(second)) == said
    assert second.next is None


async def test_bodies_that_are_no_messages_are_never_found(store: Store) -> None:
    history = await begin(store)
    turn = history.tell(*["plan"] * 8)
    bodies = (b"plan", b'{"plan": 1}', b'{"message": "plan"}', b'["plan"]', b"\xff plan", b"{")
    broken = [
        record._replace(body=body) for record, body in zip(turn.records, bodies, strict=False)
    ]
    deleted = turn.records[6]._replace(body=b'{"message":{"deleted":true,"content":"plan"}}')
    records = (*broken, deleted, turn.records[7])
    await put(store, history, Changes(history.id, history.state.number, records))
    assert len((await search(store, "plan")).hits) == 1


# --- all stores find the same -----------------------------------------------------------------------------------------

LETTERS = "abAB12 '.-_\"*éÉßñ的明天ミแีข가नİ\u0301\u200d🎉\x00\n"
WORDS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=12)
ANY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@pytest.fixture
def all_stores(tmp_path: Path, databases: Databases) -> Iterator[tuple[AnyStore, ...]]:
    with databases.one() as url, ExitStack() as stack:
        urls = ("memory:", f"sqlite:///{tmp_path}/salon.db", url)
        yield tuple(stack.enter_context(closing(resolve(each, sources()))) for each in urls)


@shared
@given(said=st.lists(WORDS | ANY, min_size=1, max_size=25), query=WORDS | ANY)
def test_all_stores_find_the_same(
    all_stores: tuple[AnyStore, ...], said: list[str], query: str
) -> None:
    async def play() -> None:
        try:
            terms = parse(query)
        except QueryError:
            return
        owner = Participant(f"owner of {len(said)}", "Owner")
        history = History(owner=owner)
        changes = [history.begin(), history.turn(*(Post(history.id, owner, each) for each in said))]
        shown = []
        for store in all_stores:
            number = 0
            for each in changes:
                one = Changes(each.conversation_id, number, each.records, each.state_events)
                outcome = await store.append(one).wait()
                assert isinstance(outcome, Appended)
                number = outcome.number
            sought = Sought(owner.id, terms, conversation_id=history.id, limit=50)
            hits = (await store.search(sought).wait()).hits
            shown.append(hits)
        assert shown[0] == shown[1] == shown[2]

    trio.run(play)


@given(said=WORDS | ANY)
def test_each_word_of_a_text_finds_it(said: str) -> None:
    for word in said.split():
        try:
            terms = parse(word.replace('"', " ").rstrip("*"))
        except QueryError:
            continue
        assert relevance(terms, said) is not None, word


# --- the index ----------------------------------------------------------------------------------------------------------


def test_without_full_text_search_the_store_opens_and_only_searching_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "MODULE", "no such module")

    async def play() -> None:
        store = open_store(tmp_path / "salon.db")
        history = await begin(store)
        await put(store, history, history.tell(*["plan"] * 9))
        with pytest.raises(SearchUnavailableError):
            await search(store, "plan")
        store.close()

    trio.run(play)


async def settle(path: Path) -> None:
    """Wait until all whole pieces are indexed."""
    with closing(sqlite3.connect(path)) as connection:

        def is_indexed() -> bool:
            newest = connection.execute("SELECT max(position) FROM events").fetchone()[0]
            return bool(newest - search_index.through(connection) < search_index.PIECE)

        await until(is_indexed)


def test_a_store_from_before_the_index_is_indexed_behind_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "salon.db"

    async def fill() -> History:
        with monkeypatch.context() as patch:
            patch.setattr(search_index, "MODULE", "no such module")
            store = open_store(path)
            history = await begin(store)
            await put(store, history, history.tell("oldest plan", *["else"] * 60, "newest plan"))
            store.close()
        return history

    async def look() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(searching, "TAIL", 20)
            patch.setattr(search_index, "LAG", 10_000)
            patch.setattr(search_index, "PIECE", 10_000)
            store = open_store(path)
            early = await search(store, "plan")
            assert (texts(early), early.complete) == (["newest plan"], False)
            store.close()
        store = open_store(path)
        await settle(path)
        late = await search(store, "plan")
        assert (set(texts(late)), late.complete) == ({"oldest plan", "newest plan"}, True)
        store.close()

    trio.run(fill)
    trio.run(look)


def test_the_index_keeps_up_with_commits_that_are_larger_than_a_piece(tmp_path: Path) -> None:
    filled(tmp_path / "salon.db", messages=9)
    file = File(tmp_path / "salon.db")
    with closing(file.open(sources())) as connection:
        index = search_index.SearchIndex(connection)
        ledger = Ledger(connection, "salon.db", Keys(connection), index)

        def behind() -> int:
            newest = connection.execute("SELECT max(position) FROM events").fetchone()[0]
            return int(newest - search_index.through(connection))

        history = History(owner=BEN)
        (outcome,) = ledger.append([history.begin()])
        assert isinstance(outcome, Appended)
        history.state.number = outcome.number
        for _ in range(9):
            ledger.append([history.tell(*["a plan"] * 21, sender=BEN)])
            assert index.is_due(idle=False)
            index.merge()
            assert behind() < search_index.LAG + search_index.PIECE
    file.release()


def test_a_store_from_before_the_index_is_indexed_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(search_index, "MODULE", "no such module")
        filled(tmp_path / "salon.db", messages=40)
    file = File(tmp_path / "salon.db")
    with closing(file.open(sources())) as connection:
        index = search_index.SearchIndex(connection)
        for pieces in (1, 2, 3):
            assert index.is_due(idle=False)
            index.merge()
            assert search_index.through(connection) == pieces * search_index.PIECE
    file.release()


def test_a_search_reads_a_bounded_number_of_texts_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(limit: str, number: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(searching, limit, number)
            patch.setattr(searching, "STEP", 8)
            store = open_store(tmp_path / f"{limit}.db")
            history = await begin(store)
            await put(store, history, history.tell("a b c", *["c b a"] * 90))
            await settle(tmp_path / f"{limit}.db")
            first = await search(store, '"a b"')
            assert first.hits == ()
            assert first.next is not None
            assert await pages(store, '"a b"') == ["a b c"]
            store.close()

    trio.run(play, "READ", 30)
    trio.run(play, "EXAMINED", 30)


def held(path: Path) -> bytes:
    """All bytes of the store's files."""
    return b"".join(
        each.read_bytes().lower()
        for each in sorted(path.parent.glob(f"{path.name}*"))
        if each.is_file()
    )


SECRETS = ["xylophonist", "Zwölfäugig", "蜘蛛俱乐部"]


def frame(text: str, **more: object) -> bytes:
    message = {"type": "message", "message": {"content": text, **more}}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def rewritten(history: History, sequence: int, body: bytes) -> Changes:
    """A turn that replaces the stored form of a message."""
    rewrite = Rewrite(sequence, body, event_hash(history.records[sequence - 1]))
    return replace(history.tell("and on"), rewrites=(rewrite,))


def kept(secret: str) -> list[bytes]:
    """What of a text the index may have: its words, or the pairs of its characters."""
    return [word.encode() for word in search_index.index_words(secret).lower().split() if word[1:]]


@pytest.mark.parametrize("secret", SECRETS)
async def test_an_edit_and_a_deletion_take_effect_at_once(store: Store, secret: str) -> None:
    history = await begin(store)
    await put(store, history, history.tell(*["else"] * 9, f"the {secret} x", *["more"] * 30))
    assert await found(store, secret) == {f"the {secret} x"}
    await put(store, history, rewritten(history, 11, frame("something harmless")))
    assert await found(store, secret) == set()
    assert await found(store, "harmless") == {"something harmless"}
    await put(store, history, rewritten(history, 11, frame("", deleted=True)))
    assert await found(store, secret) == await found(store, "harmless") == set()
    (hit,) = (await search(store, "more", limit=1)).hits
    assert await found(store, "more", limit=50) == {"more"}
    assert hit.conversation_id == history.id


@pytest.mark.parametrize("secret", SECRETS)
def test_what_is_rewritten_is_gone_from_the_file_with_its_bytes(
    tmp_path: Path, secret: str
) -> None:
    path = tmp_path / "salon.db"

    async def play() -> None:
        store = open_store(path)
        history = await begin(store)
        await put(store, history, history.tell(*["else"] * 9, f"the {secret} x", *["more"] * 30))
        await settle(path)
        indexed = await search(store, secret)
        assert len(indexed.hits) == 1
        assert all(word in held(path) for word in kept(secret))
        await put(store, history, rewritten(history, 11, frame("something harmless")))
        await put(store, history, rewritten(history, 11, frame("", deleted=True)))
        store.close()
        left = held(path)
        for word in (*kept(secret), b"harmless"):
            assert word[:6] not in left, word
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("INSERT INTO search_0 (search_0) VALUES ('integrity-check')")
            assert found.fetchall() == []

    trio.run(play)


def test_a_copy_of_a_store_is_searched_like_the_store(tmp_path: Path) -> None:
    path, copy = tmp_path / "salon.db", tmp_path / "copy.db"

    async def play() -> None:
        store = open_store(path)
        history = await begin(store)
        await put(store, history, history.tell("a plan", *["else"] * 40, "the plan"))
        await settle(path)
        await store.backup(copy).wait()
        store.close()
        copied = open_store(copy)
        history.state.number = 1
        await put(copied, history, rewritten(history, 2, frame("an idea")))
        assert await found(copied, "plan") == {"the plan"}
        assert await found(copied, "idea") == {"an idea"}
        copied.close()

    trio.run(play)


async def test_a_change_that_leaves_the_text_as_it_is_leaves_the_index_as_it_is(
    tmp_path: Path,
) -> None:
    path = tmp_path / "salon.db"
    store = open_store(path)
    history = await begin(store)
    await put(store, history, history.tell("a plan", *["else"] * 14))
    await settle(path)

    def index() -> list[tuple[int, bytes]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT id, block FROM search_0_data").fetchall()

    before = index()
    await put(store, history, rewritten(history, 2, frame("a plan", reactions={"x": {"count": 1}})))
    assert index() == before
    assert await found(store, "plan") == {"a plan"}
    store.close()
