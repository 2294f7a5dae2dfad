"""What every store keeps of identities: tokens that operators issued, who is shut out; and lists for limited tokens."""

from __future__ import annotations

from salon.actors.model import Participant
from salon.actors.search import Sought, parse
from salon.actors.tokens import LISTED_FOR, IssuedToken, TokenPage
from tests.unit.history import ADA
from tests.unit.stores import AnyStore, begin

BOT = Participant("bot", "Bot", "agent")
FULL = IssuedToken(0, "t1", BOT, True, None, 1_000, 9_000, "root")
LIMITED = FULL._replace(token_id="t2", participant=ADA, admin=False, conversations=("a", "b"))


async def test_tokens_are_listed_the_newest_first_by_person_and_page(store: AnyStore) -> None:
    for token in (FULL, LIMITED, FULL._replace(token_id="t3")):
        await store.save_token(token).wait()
    first, second, third = (
        FULL._replace(position=1),
        LIMITED._replace(position=2),
        FULL._replace(position=3, token_id="t3"),
    )
    assert await store.tokens().wait() == TokenPage((third, second, first), None)
    assert await store.tokens(participant_id="bot").wait() == TokenPage((third, first), None)
    assert await store.tokens(limit=2).wait() == TokenPage((third, second), 2)
    assert await store.tokens(before=2, limit=2).wait() == TokenPage((first,), None)
    page = await store.tokens(participant_id="bot", limit=1).wait()
    assert page == TokenPage((third,), 3)
    assert await store.tokens(participant_id="bot", before=3).wait() == TokenPage((first,), None)
    assert await store.tokens(participant_id="nobody").wait() == TokenPage((), None)


async def test_a_revoked_token_is_among_the_revoked_ones_and_keeps_its_time(
    store: AnyStore,
) -> None:
    await store.save_token(FULL).wait()
    revoked = FULL._replace(position=1, revoked_at=2_000)
    assert await store.revoke_issued("t1", 2_000).wait() == revoked
    assert await store.revoke_issued("t1", 3_000).wait() == revoked
    assert await store.revoke_issued("none", 3_000).wait() is None
    assert await store.revoked_tokens(8_999).wait() == ("t1",)
    assert await store.revoked_tokens(9_000).wait() == ()


async def test_tokens_that_ended_long_ago_are_forgotten_with_the_persons_next_and_at_the_start(
    store: AnyStore,
) -> None:
    later = FULL.expires_at + LISTED_FOR
    for token in (FULL, LIMITED, FULL._replace(token_id="t3", issued_at=later - 1)):
        await store.save_token(token).wait()
    assert len((await store.tokens().wait()).tokens) == 3
    await store.save_token(FULL._replace(token_id="t4", issued_at=later, expires_at=later)).wait()
    found = (await store.tokens().wait()).tokens
    assert [each.token_id for each in found] == ["t4", "t2"]
    await store.revoked_tokens(later).wait()
    assert [each.token_id for each in (await store.tokens().wait()).tokens] == ["t4"]


async def test_whose_tokens_were_all_revoked_has_no_more_of_those_before(store: AnyStore) -> None:
    over = FULL._replace(token_id="over", expires_at=1_500)
    for token in (FULL, over, LIMITED):
        await store.save_token(token).wait()
    await store.set_revoked("bot", 2_000).wait()
    await store.save_token(FULL._replace(token_id="new", issued_at=3_000)).wait()
    found = (await store.tokens().wait()).tokens
    assert [(each.token_id, each.revoked_at) for each in found] == [
        ("new", None),
        ("t2", None),
        ("over", None),
        ("t1", 2_000),
    ]


async def test_who_is_shut_out_is_known_until_they_are_not(store: AnyStore) -> None:
    await store.set_blocked("ben", 5).wait()
    await store.set_blocked("cleo", 5).wait()
    await store.set_revoked("ada", 6).wait()
    await store.set_revoked("ben", 7).wait()  # by a node that does not know of the block
    await store.set_revoked("ada", 4).wait()  # by one whose clock is behind
    blocked = ("ben", 5, 7), ("cleo", 5, None)
    assert await store.all_access().wait() == (("ada", None, 6), *blocked)
    await store.set_blocked("ben", None).wait()
    await store.set_blocked("cleo", None).wait()
    assert await store.all_access().wait() == (("ada", None, 6), ("ben", None, 7))


async def test_a_limited_list_and_search_have_the_named_conversations_alone(
    store: AnyStore,
) -> None:
    one, two, three = histories = [await begin(store) for _ in range(3)]
    for history in histories:
        await store.append(history.tell("needle")).wait()
    only = frozenset({one.id, three.id, "elsewhere"})
    listing = await store.listing(ADA.id, limit=10, only=only).wait()
    assert {each.conversation_id for each in listing.summaries} == {one.id, three.id}
    assert listing.total == 2
    nothing = await store.listing(ADA.id, limit=10, only=frozenset()).wait()
    assert (nothing.summaries, nothing.total) == ((), 0)
    for conversation_id, found in ((None, {one.id, three.id}), (two.id, set()), (one.id, {one.id})):
        sought = Sought(ADA.id, parse("needle"), conversation_id, only=only)
        hits = (await store.search(sought).wait()).hits
        assert {hit.conversation_id for hit in hits} == found
