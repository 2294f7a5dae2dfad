"""The rules of one conversation: what each command comes to, and what its events make of the state."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.events import Created, Joined, Left, Posted
from salon.actors.limits import Limits
from salon.actors.messages import (
    Command,
    Create,
    Join,
    Leave,
    MarkRead,
    Post,
    ReadMarked,
    SetTyping,
)
from salon.actors.model import Entrant, Member, Participant, Role, State
from salon.actors.refusals import Code, Refusal
from salon.actors.rules import apply, apply_read, decide, introduce
from salon.actors.signals import Typing
from tests.unit.engine import ADA, BEN, CLEO, DAN

LIMITS = Limits(max_participants=4, max_message_size=10)
AT = 1000


def begun(*others: Entrant, at: int = 1, **options: Any) -> State:
    """Ada's conversation, with these others in it."""
    state = State("talk")
    fold(state, Create("talk", ADA, "Title", others, **options), at=at)
    return state


def fold(state: State, *commands: Command, at: int = AT) -> State:
    """The state after commands that are all accepted."""
    for command in commands:
        event = decide(state, command, at, LIMITS)
        assert isinstance(event, Created | Joined | Left | Posted), event
        apply(state, event)
    return state


def refusal_of(state: State, command: Command) -> Refusal:
    before = deepcopy(state)
    decision = decide(state, command, AT, LIMITS)
    assert isinstance(decision, Refusal), decision
    assert state == before, "who is refused has touched nothing"
    assert "–" not in decision.text
    return decision


def join(who: Participant, role: Role = "member", by: Participant | None = None) -> Join:
    return Join("talk", by or who, Entrant(who, role))


def post(who: Participant, content: str = "hi", **more: Any) -> Post:
    return Post("talk", who, content, **more)


def roles(state: State) -> dict[str, Role]:
    return {id: member.role for id, member in state.members.items()}


# --- creating -------------------------------------------------------------------------------------------------------------


def test_a_conversation_begins_with_its_creator_as_owner_and_first_member() -> None:
    options = {
        "mode": "generate",
        "sites": ("a", "b"),
        "enable_ai": True,
        "join": "invite",
        "members_invite": False,
        "share_reads": True,
        "metadata": "{}",
    }
    create = Create("talk", ADA, "Title", (Entrant(BEN), Entrant(CLEO, "observer")), **options)  # type: ignore[arg-type]
    event = decide(State("talk"), create, AT, LIMITS)

    assert event == Created(
        "talk",
        1,
        AT,
        "Title",
        (Entrant(ADA, "owner"), Entrant(BEN), Entrant(CLEO, "observer")),
        **options,  # type: ignore[arg-type]
    )
    state = State("talk")
    apply(state, event)
    assert state == State(
        "talk",
        title="Title",
        **options,  # type: ignore[arg-type]
        created_at=AT,
        updated_at=AT,
        head=1,
        members={
            "ada": Member(ADA, "owner", AT),
            "ben": Member(BEN, "member", AT, "ada", introduced=False),
            "cleo": Member(CLEO, "observer", AT, "ada", introduced=False),
        },
    )


def test_who_is_named_twice_at_creation_comes_in_once_and_the_owner_stays_owner() -> None:
    state = begun(Entrant(ADA, "observer"), Entrant(BEN), Entrant(BEN, "observer"))
    assert roles(state) == {"ada": "owner", "ben": "member"}


def test_a_conversation_cannot_be_created_twice() -> None:
    assert refusal_of(begun(), Create("talk", BEN, "Mine")).code is Code.FORBIDDEN


def test_more_people_than_fit_cannot_be_named_at_creation() -> None:
    crowd = tuple(Entrant(Participant(f"p{n}", "P")) for n in range(4))
    refusal = refusal_of(State("talk"), Create("talk", ADA, "Title", crowd))
    assert refusal.code is Code.CAPACITY_EXCEEDED
    assert refusal.facts == {"limit": 4}
    assert isinstance(
        decide(State("talk"), Create("talk", ADA, "T", crowd[1:]), AT, LIMITS), Created
    )


@pytest.mark.parametrize(
    "command",
    [
        post(ADA, key="k"),
        join(ADA),
        Leave("talk", ADA),
        MarkRead("talk", ADA, 1),
        SetTyping("talk", ADA, True),
    ],
)
def test_where_there_is_no_conversation_nothing_is_found(command: Command) -> None:
    refusal = refusal_of(State("talk"), command)
    assert refusal.code is Code.NOT_FOUND
    assert refusal.key == getattr(command, "key", None)


# --- posting --------------------------------------------------------------------------------------------------------------


def test_a_message_takes_the_next_place_and_is_shown_under_the_members_name() -> None:
    state = begun(Entrant(BEN))
    event = decide(
        state, post(Participant("ben", "An Impostor", "agent"), key="k", metadata="{}"), AT, LIMITS
    )
    assert event == Posted("talk", 2, AT, BEN, "hi", "k", None, "{}")
    assert isinstance(event, Posted)
    assert event.message_id == "talk-2"
    apply(state, event)
    assert (state.head, state.messages, state.updated_at) == (2, 1, AT)


def test_who_is_no_member_cannot_post() -> None:
    refusal = refusal_of(begun(), post(BEN, key="k"))
    assert (refusal.code, refusal.key) == (Code.NOT_PARTICIPANT, "k")


def test_an_observer_has_no_right_to_post() -> None:
    refusal = refusal_of(begun(Entrant(BEN, "observer")), post(BEN, key="k"))
    assert (refusal.code, refusal.key) == (Code.FORBIDDEN, "k")


def test_a_message_may_have_as_many_code_points_as_are_allowed_and_not_one_more() -> None:
    state = begun()
    assert isinstance(decide(state, post(ADA, "👩" * 10), AT, LIMITS), Posted)
    refusal = refusal_of(state, post(ADA, "x" * 11, key="k"))
    assert (refusal.code, refusal.key) == (Code.MESSAGE_TOO_LARGE, "k")
    assert refusal.facts == {"actual_size": 11, "max_size": 10}


def test_limits_of_zero_are_off() -> None:
    off = replace(LIMITS, max_participants=0, max_message_size=0)
    state = begun(Entrant(BEN), Entrant(CLEO), Entrant(DAN))
    assert isinstance(decide(state, post(ADA, "x" * 100_000), AT, off), Posted)
    assert isinstance(decide(state, join(Participant("eve", "Eve")), AT, off), Joined)


@pytest.mark.parametrize("message_id", ["talk-2", "talk-3"])
def test_a_reply_names_a_message_of_its_own_conversation(message_id: str) -> None:
    state = fold(begun(), post(ADA), post(ADA))
    event = decide(state, post(ADA, reply_to=message_id), AT, LIMITS, {2: ADA.id, 3: ADA.id}.get)
    assert isinstance(event, Posted)
    assert event.reply_to == message_id


@pytest.mark.parametrize(
    "message_id",
    [
        "",
        "talk",
        "talk-",
        "talk-0",
        "talk-1",
        "talk-4",
        "talk--2",
        "talk-2 ",
        "talk-02",
        "talk-+2",
        "talk-2\n",
        "2",
        "talk2",
        "talk-²",
        "talk-٢",
        "other-2",
        "talk-" + "9" * 99,
    ],
)
def test_a_reply_to_something_else_is_refused(message_id: str) -> None:
    state = fold(begun(), post(ADA), post(ADA))
    reply = post(ADA, reply_to=message_id, key="k")
    refusal = decide(state, reply, AT, LIMITS, {2: ADA.id, 3: ADA.id}.get)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.key) == (Code.INVALID_FORMAT, "k")


def test_a_reply_to_an_event_that_is_no_message_is_refused() -> None:
    state = fold(begun(), post(ADA), join(BEN))
    refusal = decide(state, post(ADA, reply_to="talk-3"), AT, LIMITS, {2: ADA.id}.get)
    assert isinstance(refusal, Refusal)
    assert refusal.facts == {"problem": "reply_to names no message of this conversation"}


# --- coming in ------------------------------------------------------------------------------------------------------------


def test_whoever_knows_an_open_conversation_may_join_it_as_a_member() -> None:
    state = begun()
    event = decide(state, join(BEN, "observer"), AT, LIMITS)
    assert event == Joined("talk", 2, AT, BEN, 2, "member", None)
    apply(state, event)
    assert state.members["ben"] == Member(BEN, "member", AT, since=2)


def test_who_is_invited_gets_the_role_that_was_meant_and_it_is_written_down_by_whom() -> None:
    state = begun(Entrant(BEN))
    event = decide(state, join(CLEO, "observer", by=BEN), AT, LIMITS)
    assert event == Joined("talk", 2, AT, CLEO, 3, "observer", "ben")


def test_nobody_joins_an_invite_only_conversation_without_an_invitation() -> None:
    state = begun(join="invite")
    assert refusal_of(state, join(BEN)).code is Code.FORBIDDEN
    assert isinstance(decide(state, join(BEN, by=ADA), AT, LIMITS), Joined)


def test_who_is_no_member_cannot_invite_and_is_not_told_that_there_is_anything() -> None:
    assert refusal_of(begun(), join(CLEO, by=BEN)).code is Code.NOT_FOUND


def test_an_observer_cannot_invite() -> None:
    assert refusal_of(begun(Entrant(BEN, "observer")), join(CLEO, by=BEN)).code is Code.FORBIDDEN


def test_members_invite_unless_that_is_for_owners_alone() -> None:
    state = begun(Entrant(BEN), members_invite=False)
    assert refusal_of(state, join(CLEO, by=BEN)).code is Code.FORBIDDEN
    assert isinstance(decide(state, join(CLEO, by=ADA), AT, LIMITS), Joined)


@pytest.mark.parametrize("by", [ADA, BEN])
@pytest.mark.parametrize("policy", ["open", "invite"])
def test_nobody_is_a_member_twice(by: Participant, policy: Any) -> None:
    state = begun(Entrant(BEN), join=policy)
    refusal = refusal_of(state, join(BEN, by=by))
    assert refusal.code is Code.ALREADY_PARTICIPANT
    assert refusal.text.startswith("Already a participant")


def test_a_full_conversation_takes_nobody_more() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO), Entrant(DAN))
    refusal = refusal_of(state, join(Participant("eve", "Eve")))
    assert (refusal.code, refusal.facts) == (Code.CAPACITY_EXCEEDED, {"limit": 4})
    assert not refusal.reason.temporary


# --- going ----------------------------------------------------------------------------------------------------------------


def test_who_leaves_is_a_member_no_more_and_may_come_back() -> None:
    state = begun(Entrant(BEN))
    event = decide(state, Leave("talk", BEN), AT, LIMITS)
    assert event == Left("talk", 2, AT, BEN, 1)
    apply(state, event)
    assert refusal_of(state, post(BEN)).code is Code.NOT_PARTICIPANT
    fold(state, join(BEN))
    assert list(state.members) == ["ada", "ben"]


def test_who_is_no_member_cannot_leave() -> None:
    assert refusal_of(begun(), Leave("talk", BEN)).code is Code.NOT_PARTICIPANT


def test_the_last_one_out_archives_the_conversation_and_nobody_comes_in_any_more() -> None:
    state = fold(begun(), Leave("talk", ADA), at=7)
    assert state.ended_at == 7
    assert refusal_of(state, join(ADA)).code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("others", "heir"),
    [
        ([Entrant(BEN), Entrant(CLEO)], "ben"),
        ([Entrant(BEN, "observer"), Entrant(CLEO)], "cleo"),
        ([Entrant(BEN, "observer"), Entrant(CLEO, "observer")], "ben"),
    ],
)
def test_where_the_last_owner_leaves_the_longest_standing_member_takes_over(
    others: list[Entrant], heir: str
) -> None:
    state = fold(begun(*others), Leave("talk", ADA))
    assert [id for id, role in roles(state).items() if role == "owner"] == [heir]
    assert list(state.members) == ["ben", "cleo"], "the order of joining is kept"


def test_where_another_owner_stays_nobody_is_promoted() -> None:
    state = fold(begun(Entrant(BEN), Entrant(CLEO, "owner")), Leave("talk", ADA))
    assert roles(state) == {"ben": "member", "cleo": "owner"}


# --- reading and typing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "stands"), [(1, 2), (2, 2), (3, 3), (99, 4), (-1, 2)])
def test_a_read_position_only_moves_forward_and_never_beyond_the_head(
    asked: int, stands: int
) -> None:
    state = fold(begun(), post(ADA), post(ADA), post(ADA))
    apply_read(state, "ada", ReadMarked(2))
    assert decide(state, MarkRead("talk", ADA, asked), AT, LIMITS) == ReadMarked(stands)


def test_who_leaves_leaves_their_read_position_too() -> None:
    state = begun(Entrant(BEN))
    apply_read(state, "ben", ReadMarked(1))
    fold(state, Leave("talk", BEN), join(BEN))
    assert state.reads == {"ben": state.head}, "what was said before they came back is not unread"


def test_only_members_mark_as_read() -> None:
    assert refusal_of(begun(), MarkRead("talk", BEN, 1)).code is Code.NOT_PARTICIPANT
    observed = begun(Entrant(BEN, "observer"))
    assert decide(observed, MarkRead("talk", BEN, 1), AT, LIMITS) == ReadMarked(1)


def test_only_members_who_may_write_are_shown_typing() -> None:
    state = begun(Entrant(BEN, "observer"))
    assert decide(state, SetTyping("talk", ADA, True), AT, LIMITS) == Typing("ada", True)
    assert refusal_of(state, SetTyping("talk", BEN, True)).code is Code.FORBIDDEN
    assert refusal_of(state, SetTyping("talk", CLEO, True)).code is Code.NOT_PARTICIPANT


# --- any sequence of commands ---------------------------------------------------------------------------------------------

PEOPLE = st.sampled_from([ADA, BEN, CLEO, DAN, Participant("eve", "Eve")])
ROLES: st.SearchStrategy[Role] = st.sampled_from(get_args(Role))
ENTRANTS = st.builds(Entrant, PEOPLE, ROLES)
TALK = st.just("talk")
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(Join, TALK, PEOPLE, ENTRANTS),
    st.builds(join, PEOPLE),
    st.builds(Leave, TALK, PEOPLE),
    st.builds(Post, TALK, PEOPLE, st.text(max_size=11), reply_to=st.none() | st.just("talk-2")),
    st.builds(MarkRead, TALK, PEOPLE, st.integers(-1, 50)),
    st.builds(SetTyping, TALK, PEOPLE, st.booleans()),
)
CREATES = st.builds(
    Create,
    TALK,
    PEOPLE,
    st.just("Title"),
    st.lists(ENTRANTS, max_size=3).map(tuple),
    join=st.sampled_from(["open", "invite"]),
    members_invite=st.booleans(),
)


@given(CREATES, st.lists(COMMANDS, max_size=40))
def test_events_have_no_gap_and_folding_them_again_gives_the_same_state(
    create: Create, commands: list[Command]
) -> None:
    kept, events = State("talk"), []
    for at, command in enumerate([create, *commands], AT):
        before = deepcopy(kept)
        decision = decide(kept, command, at, LIMITS)
        assert kept == before, "deciding changes nothing"
        if isinstance(decision, Created | Joined | Left | Posted):
            draft = kept.draft()
            apply(draft, decision)
            assert kept == before, "a draft shares nothing that it changes"
            kept = draft
            events.append(decision)
            check(kept, decision)

    assert [event.sequence for event in events] == list(range(1, kept.head + 1))
    again = State("talk")
    for event in events:
        apply(again, event)
    assert again == kept
    assert list(again.members) == list(kept.members)


def check(state: State, event: Created | Joined | Left | Posted) -> None:
    """What holds after every event."""
    assert (state.head, state.updated_at) == (event.sequence, event.at)
    assert len(state.members) <= LIMITS.max_participants
    assert ("owner" in roles(state).values()) is bool(state.members)
    assert (state.ended_at is None) is bool(state.members)
    assert state.reads.keys() <= state.members.keys()
    if isinstance(event, Joined | Left):
        assert event.participant_count == len(state.members)


def test_the_type_is_the_bearer_s_own_also_where_a_new_name_came_before_them() -> None:
    state = begun(Entrant(BEN))
    renamed = introduce(state, BEN._replace(name="Benjamin"), AT, renamed=True)
    assert renamed is not None
    apply(state, renamed)
    bot = BEN._replace(name="Benjamin", type="agent")
    event = introduce(state, bot, AT)
    assert event is not None
    apply(state, event)
    assert state.members["ben"].participant == bot
    assert introduce(state, bot._replace(name="Another session's"), AT) is None
