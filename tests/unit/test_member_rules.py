"""The rules about members: ranks, bans, mutes, invites, requests to join, direct conversations, slow mode, history."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors import entry_rules, member_rules
from salon.actors.events import Created, Event, Joined, Updated
from salon.actors.limits import Limits
from salon.actors.member_events import (
    ASK_AGAIN,
    Banned,
    InviteCreated,
    JoinRequested,
    MemberEvent,
    Muted,
    Removed,
    RoleChanged,
    Unmuted,
)
from salon.actors.member_messages import (
    AcceptInvite,
    ApproveJoin,
    Ban,
    CreateInvite,
    DenyJoin,
    Mute,
    OpenDirect,
    Remove,
    RequestJoin,
    RevokeInvite,
    SetRole,
    Unban,
    Unmute,
)
from salon.actors.messages import (
    Command,
    Create,
    Join,
    Leave,
    Post,
    SetTyping,
    Unchanged,
    Update,
)
from salon.actors.model import Action, Entrant, Participant, Role, State
from salon.actors.refusals import Code, Refusal
from salon.actors.rights import LEAST, RANK, allowed_here, first_readable, table
from salon.actors.rules import apply, decide
from salon.actors.run_messages import StartRun
from tests.unit.engine import ADA, BEN, CLEO, DAN

LIMITS = Limits(max_participants=4)
AT = 1_000_000
BOT = Participant("bot", "Bot", "agent")


def begun(*others: Entrant, **options: Any) -> State:
    """Ada's conversation, with these others in it."""
    state = State("talk")
    done(state, Create("talk", ADA, "Title", others, **options))
    return state


def done(state: State, *commands: Command, at: int = AT) -> Any:
    """The last of the events of commands that are all accepted; they are folded into the state."""
    event: Any = None
    for command in commands:
        event = decide(state, command, at, LIMITS)
        assert isinstance(event, Event), event
        apply(state, event)
    return event


def refused(state: State, command: Command, at: int = AT) -> Refusal:
    before = deepcopy(state)
    decision = decide(state, command, at, LIMITS)
    assert isinstance(decision, Refusal), decision
    assert state == before
    assert "–" not in decision.text
    return decision


def unchanged(state: State, command: Command, at: int = AT) -> bool:
    return isinstance(decide(state, command, at, LIMITS), Unchanged)


def post(who: Participant, **more: Any) -> Post:
    return Post("talk", who, "hi", **more)


def roles(state: State) -> dict[str, Role]:
    return {id: member.role for id, member in state.members.items()}


# --- the table ------------------------------------------------------------------------------------------------------------


def test_every_action_has_its_least_role() -> None:
    assert LEAST.keys() == set(get_args(Action))


def test_an_owner_changes_the_table_and_takes_a_change_back() -> None:
    state = begun(Entrant(BEN))
    event = done(state, Update("talk", ADA, permissions={"pin": "member", "post": "moderator"}))
    assert event == Updated(
        "talk", 2, AT, "ada", permissions={"pin": "member", "post": "moderator"}
    )
    assert refused(state, post(BEN)).code is Code.FORBIDDEN
    done(state, Update("talk", ADA, permissions={"post": None}), post(BEN))
    assert state.permissions == {"pin": "member"}
    assert table(state) == {**LEAST, "pin": "member"}
    assert unchanged(state, Update("talk", ADA, permissions={"post": None, "pin": "member"}))


def test_an_observer_posts_where_the_owner_says_so() -> None:
    state = begun(Entrant(BEN, "observer"), permissions={"post": "observer"})
    done(state, post(BEN))
    assert not isinstance(decide(state, SetTyping("talk", BEN, True), AT, LIMITS), Refusal)


@pytest.mark.parametrize(
    ("members_invite", "permissions", "least"),
    [
        (True, {}, "member"),
        (False, {}, "moderator"),
        (False, {"invite": "member"}, "member"),
        (True, {"invite": "owner"}, "owner"),
    ],
)
def test_members_invite_is_the_older_word_for_the_right_to_invite(
    members_invite: bool, permissions: dict[Action, Role], least: Role
) -> None:
    options = {"members_invite": members_invite, "permissions": permissions}
    state = begun(Entrant(BEN, "moderator"), Entrant(CLEO), **options)
    assert table(state)["invite"] == least
    for who, role in ((ADA, "owner"), (BEN, "moderator"), (CLEO, "member")):
        decision = decide(state, Join("talk", who, Entrant(DAN)), AT, LIMITS)
        assert isinstance(decision, Joined) == (RANK[role] >= RANK[least])  # type: ignore[index]


def test_what_a_member_may_do_follows_the_table() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO, "observer"))
    may = {who.id: allowed_here(state, state.members[who.id]) for who in (ADA, BEN, CLEO)}
    assert set(may["ada"]) == LEAST.keys()
    assert set(may["ben"]) == {id for id, role in LEAST.items() if role in ("member", "observer")}
    assert may["cleo"] == ["read_members"]


# --- ranks ----------------------------------------------------------------------------------------------------------------


def test_nobody_acts_on_an_equal_or_a_higher_rank() -> None:
    state = begun(Entrant(BEN, "moderator"), Entrant(CLEO, "moderator"), Entrant(DAN))
    for command in (Remove, Ban, Mute, Unmute):
        for target in ("ada", "cleo", "ben"):
            assert refused(state, command("talk", BEN, target)).code is Code.FORBIDDEN
        assert refused(state, command("talk", DAN, "cleo")).code is Code.FORBIDDEN
    assert done(state, Remove("talk", BEN, "dan", "Spam.")) == Removed(
        "talk", 2, AT, DAN, 3, "ben", "Spam."
    )


def test_a_role_is_given_by_an_owner_and_none_gives_more_than_they_have() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO), permissions={"change_roles": "moderator"})
    assert done(state, SetRole("talk", ADA, "ben", "moderator", "Helps.")) == RoleChanged(
        "talk", 2, AT, "ben", "moderator", "ada", "Helps."
    )
    assert refused(state, SetRole("talk", BEN, "cleo", "owner")).code is Code.FORBIDDEN
    done(state, SetRole("talk", BEN, "cleo", "moderator"))
    assert refused(state, SetRole("talk", BEN, "cleo", "member")).code is Code.FORBIDDEN
    assert roles(state) == {"ada": "owner", "ben": "moderator", "cleo": "moderator"}
    assert unchanged(state, SetRole("talk", ADA, "ben", "moderator"))


def test_anybody_may_go_down_but_the_last_owner_and_nobody_up() -> None:
    state = begun(Entrant(BEN, "moderator"))
    assert refused(state, SetRole("talk", ADA, "ada", "member")).code is Code.LAST_OWNER
    assert refused(state, SetRole("talk", BEN, "ben", "owner")).code is Code.FORBIDDEN
    done(state, SetRole("talk", BEN, "ben", "member"))
    done(state, SetRole("talk", ADA, "ben", "owner"), SetRole("talk", ADA, "ada", "observer"))
    assert roles(state) == {"ada": "observer", "ben": "owner"}


def test_a_moderator_inherits_before_members_who_have_been_there_longer() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO, "moderator"))
    done(state, Leave("talk", ADA))
    assert roles(state) == {"ben": "member", "cleo": "owner"}


def test_who_is_no_member_is_not_found_and_neither_is_who_asks_from_outside() -> None:
    state = begun(Entrant(BEN))
    for command in (Remove, Mute, Unmute):
        assert refused(state, command("talk", ADA, "dan")).code is Code.NOT_FOUND
        assert refused(state, command("talk", DAN, "ben")).code is Code.NOT_FOUND
    for outside in (Ban("talk", DAN, "ben"), Unban("talk", DAN, "ben")):
        assert refused(state, outside).code is Code.NOT_FOUND


def test_who_was_an_agent_and_an_observer_speaks_again_with_their_role() -> None:
    state = begun(Entrant(BOT, "observer"))
    assert state.agents == ()
    done(state, SetRole("talk", ADA, "bot", "member"))
    assert state.agents == ("bot",)


# --- bans and mutes -------------------------------------------------------------------------------------------------------


def test_who_is_banned_is_out_and_comes_back_by_no_way() -> None:
    state = begun(Entrant(BEN), join="invite")
    done(state, CreateInvite("talk", ADA, "code"))
    assert done(state, Ban("talk", ADA, "ben", reason="Spam.")) == Banned(
        "talk", 3, AT, BEN, 1, "ada", None, "Spam."
    )
    ways = (
        Join("talk", BEN, Entrant(BEN)),
        Join("talk", ADA, Entrant(BEN)),
        AcceptInvite("talk", BEN, "code"),
        RequestJoin("talk", BEN),
    )
    for way in ways:
        refusal = refused(state, way)
        assert (refusal.code, refusal.facts) == (
            Code.BANNED,
            {"lasting": "until a moderator ends it"},
        )
    done(state, Unban("talk", ADA, "ben"), AcceptInvite("talk", BEN, "code"))
    assert unchanged(state, Unban("talk", ADA, "ben"))


def test_a_ban_ends_at_its_time_and_says_when() -> None:
    state = begun(Entrant(BEN))
    done(state, Ban("talk", ADA, "ben", AT + 5))
    refusal = refused(state, Join("talk", BEN, Entrant(BEN)))
    assert refusal.facts == {
        "lasting": "until 1970-01-01T00:16:40.005Z",
        "until": "1970-01-01T00:16:40.005Z",
    }
    done(state, Join("talk", BEN, Entrant(BEN)), at=AT + 5)


def test_somebody_may_be_banned_before_they_come_and_the_same_ban_again_is_no_event() -> None:
    state = begun()
    assert done(state, Ban("talk", ADA, "dan", AT + 5)).participant == Participant("dan", "dan")
    assert unchanged(state, Ban("talk", ADA, "dan", AT + 5))
    assert done(state, Ban("talk", ADA, "dan")).until is None
    assert state.bans.keys() == {"dan"}


def test_a_request_of_who_is_banned_is_gone() -> None:
    state = begun(join="invite")
    done(state, RequestJoin("talk", DAN), Ban("talk", ADA, "dan"))
    assert state.requests == {}
    assert state.bans["dan"].participant == DAN


def test_who_is_muted_says_nothing_until_then_and_is_told_when() -> None:
    state = begun(Entrant(BEN), Entrant(BOT))
    assert done(state, Mute("talk", ADA, "ben", AT + 1000, "Loud.")) == Muted(
        "talk", 2, AT, BEN, "ada", AT + 1000, "Loud."
    )
    until = {"until": "1970-01-01T00:16:41.000Z", "lasting": "until 1970-01-01T00:16:41.000Z"}
    refusal = refused(state, post(BEN, key="k"))
    assert (refusal.code, refusal.facts, refusal.key) == (Code.MUTED, until, "k")
    assert refused(state, SetTyping("talk", BEN, True)).code is Code.MUTED
    assert not isinstance(decide(state, SetTyping("talk", BEN, False), AT, LIMITS), Refusal)
    done(state, post(BEN), at=AT + 1000)
    done(state, Mute("talk", ADA, "bot"))
    assert refused(state, StartRun("talk", BOT, "r")).code is Code.MUTED


def test_a_mute_stays_with_who_leaves_and_comes_back_and_is_ended_by_a_higher_rank() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO, "moderator"))
    done(state, Mute("talk", CLEO, "ben"), Leave("talk", BEN), Join("talk", BEN, Entrant(BEN)))
    assert refused(state, post(BEN)).code is Code.MUTED
    assert refused(state, Unmute("talk", BEN, "ben")).code is Code.FORBIDDEN
    assert isinstance(done(state, Unmute("talk", CLEO, "ben")), Unmuted)
    done(state, post(BEN))
    assert unchanged(state, Unmute("talk", CLEO, "ben"))


def test_who_was_muted_and_has_left_can_be_forgiven() -> None:
    state = begun(Entrant(BEN))
    done(state, Mute("talk", ADA, "ben"), Leave("talk", BEN), Unmute("talk", ADA, "ben"))
    assert state.mutes == {}


def test_sanctions_that_are_over_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_rules, "MOST_SANCTIONS", 2)
    state = begun(Entrant(BEN), Entrant(CLEO), Entrant(DAN))
    done(state, Ban("talk", ADA, "one", AT + 1), Ban("talk", ADA, "two"))
    refusal = refused(state, Ban("talk", ADA, "three"))
    assert (refusal.code, refusal.facts) == (Code.LIMIT_REACHED, {"limit": 2, "what": "bans"})
    done(state, Ban("talk", ADA, "three"), at=AT + 1)
    assert state.bans.keys() == {"two", "three"}
    done(state, Mute("talk", ADA, "ben"), Mute("talk", ADA, "cleo"))
    assert refused(state, Mute("talk", ADA, "dan")).code is Code.LIMIT_REACHED


# --- invites --------------------------------------------------------------------------------------------------------------


def test_an_invite_lets_in_as_often_as_it_says_with_its_role_and_its_maker_s_name() -> None:
    state = begun(join="invite")
    event = done(state, CreateInvite("talk", ADA, "i", "observer", 60_000, 2))
    assert event == InviteCreated("talk", 2, AT, "i", "observer", "ada", AT + 60_000, 2)
    joined = done(state, AcceptInvite("talk", BEN, "i"))
    assert joined == Joined("talk", 3, AT, BEN, 2, "observer", "ada", "i")
    assert state.members["ben"].introduced
    assert refused(state, AcceptInvite("talk", BEN, "i")).code is Code.ALREADY_PARTICIPANT
    done(state, AcceptInvite("talk", CLEO, "i"))
    assert refused(state, AcceptInvite("talk", DAN, "i")).code is Code.INVITE_EXPIRED
    assert state.invites["i"].uses == 2


def test_an_invite_ends_by_time_and_by_revoking() -> None:
    state = begun(Entrant(BEN))
    done(state, CreateInvite("talk", ADA, "i", expires_in=5), CreateInvite("talk", BEN, "j"))
    assert refused(state, AcceptInvite("talk", DAN, "i"), AT + 5).code is Code.INVITE_EXPIRED
    done(state, RevokeInvite("talk", ADA, "j"))
    assert refused(state, AcceptInvite("talk", DAN, "j")).code is Code.INVITE_EXPIRED
    assert refused(state, RevokeInvite("talk", ADA, "j")).code is Code.NOT_FOUND


def test_one_revokes_one_s_own_invites_and_as_who_may_remove_any() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO, "moderator"))
    done(state, CreateInvite("talk", ADA, "a"), CreateInvite("talk", BEN, "b"))
    assert refused(state, RevokeInvite("talk", BEN, "a")).code is Code.FORBIDDEN
    done(state, RevokeInvite("talk", BEN, "b"), RevokeInvite("talk", CLEO, "a"))


def test_an_invite_gives_no_role_above_its_maker_s() -> None:
    state = begun(Entrant(BEN))
    command = CreateInvite("talk", BEN, "i", "moderator")
    assert refused(state, command).code is Code.FORBIDDEN
    assert refused(state, Join("talk", BEN, Entrant(DAN, "moderator"))).code is Code.FORBIDDEN


@pytest.mark.parametrize(
    "later",
    [
        SetRole("talk", ADA, "ben", "member"),
        SetRole("talk", ADA, "ben", "observer"),
        Remove("talk", ADA, "ben"),
        Leave("talk", BEN),
    ],
)
def test_an_invite_is_worth_what_its_maker_may_do_when_it_is_used(later: Command) -> None:
    state = begun(Entrant(BEN, "moderator"))
    done(state, CreateInvite("talk", BEN, "i", "moderator"), later)
    assert refused(state, AcceptInvite("talk", DAN, "i")).code is Code.INVITE_EXPIRED


def test_a_full_conversation_counts_no_use() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO), Entrant(BOT))
    done(state, CreateInvite("talk", ADA, "i", max_uses=1))
    assert refused(state, AcceptInvite("talk", DAN, "i")).code is Code.CAPACITY_EXCEEDED
    done(state, Leave("talk", BEN), AcceptInvite("talk", DAN, "i"))


def test_invites_are_limited_and_those_that_are_over_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entry_rules, "MOST_INVITES", 2)
    state = begun()
    done(state, CreateInvite("talk", ADA, "a", expires_in=1), CreateInvite("talk", ADA, "b"))
    assert refused(state, CreateInvite("talk", ADA, "c")).code is Code.LIMIT_REACHED
    done(state, CreateInvite("talk", ADA, "c"), at=AT + 1)
    assert state.invites.keys() == {"b", "c"}


def test_what_has_ended_lets_nobody_in_by_an_invite() -> None:
    state = begun()
    done(state, CreateInvite("talk", ADA, "i"), Leave("talk", ADA))
    assert refused(state, AcceptInvite("talk", DAN, "i")).code is Code.INVITE_EXPIRED


# --- requests to join -----------------------------------------------------------------------------------------------------


def test_who_asks_is_let_in_by_who_may_invite() -> None:
    state = begun(Entrant(BEN, "observer"), join="invite")
    asked = done(state, RequestJoin("talk", DAN, "I know Ada."))
    assert asked == JoinRequested("talk", 2, AT, DAN, "I know Ada.")
    assert unchanged(state, RequestJoin("talk", DAN))
    assert refused(state, ApproveJoin("talk", BEN, "dan")).code is Code.FORBIDDEN
    assert refused(state, ApproveJoin("talk", DAN, "dan")).code is Code.NOT_FOUND
    assert done(state, ApproveJoin("talk", ADA, "dan")) == Joined(
        "talk", 3, AT, DAN, 3, "member", "ada"
    )
    assert state.requests == {}
    assert refused(state, ApproveJoin("talk", ADA, "dan")).code is Code.NOT_FOUND


def test_who_was_denied_asks_again_after_a_day() -> None:
    state = begun(join="invite")
    done(state, RequestJoin("talk", DAN), DenyJoin("talk", ADA, "dan", "No."))
    assert refused(state, RequestJoin("talk", DAN)).code is Code.FORBIDDEN
    assert refused(state, ApproveJoin("talk", ADA, "dan")).code is Code.NOT_FOUND
    done(state, RequestJoin("talk", DAN), at=AT + ASK_AGAIN)
    assert state.requests["dan"].denied_at is None


def test_who_is_brought_in_otherwise_asks_no_more() -> None:
    state = begun(join="invite")
    done(state, RequestJoin("talk", DAN), Join("talk", ADA, Entrant(DAN)))
    assert state.requests == {}


def test_nobody_asks_where_anybody_may_come_in_nor_where_they_are_already() -> None:
    refusal = refused(begun(), RequestJoin("talk", DAN))
    assert (refusal.code, refusal.facts) == (
        Code.INVALID_FORMAT,
        {"problem": "anybody may come in here: join instead of asking"},
    )
    closed = begun(join="invite")
    assert refused(closed, RequestJoin("talk", ADA)).code is Code.ALREADY_PARTICIPANT


def test_requests_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_rules, "MOST_REQUESTS", 1)
    state = begun(join="invite")
    done(state, RequestJoin("talk", BEN))
    assert refused(state, RequestJoin("talk", CLEO)).code is Code.LIMIT_REACHED


# --- direct conversations, slow mode, history -----------------------------------------------------------------------------


def direct() -> State:
    state = State("talk")
    done(state, OpenDirect("talk", ADA, "Ada, Ben", Entrant(BEN)))
    return state


def test_a_direct_conversation_has_two_owners_and_is_opened_once() -> None:
    state = direct()
    assert roles(state) == {"ada": "owner", "ben": "owner"}
    assert state.direct
    assert unchanged(state, OpenDirect("talk", BEN, "Ben, Ada", Entrant(ADA)))


@pytest.mark.parametrize(
    "command",
    [
        Leave("talk", ADA),
        Join("talk", ADA, Entrant(DAN)),
        CreateInvite("talk", ADA, "i"),
        SetRole("talk", ADA, "ada", "member"),
        Ban("talk", ADA, "dan"),
    ],
)
def test_nobody_comes_in_leaves_or_changes_rank_in_a_direct_conversation(command: Command) -> None:
    assert refused(direct(), command).code is Code.DIRECT_CONVERSATION


@pytest.mark.parametrize(
    "command",
    [
        post(DAN),
        Join("talk", DAN, Entrant(DAN)),
        RequestJoin("talk", DAN),
        Leave("talk", DAN),
        OpenDirect("talk", DAN, "Dan, Ada", Entrant(ADA)),
    ],
)
def test_others_cannot_tell_a_direct_conversation_from_none(command: Command) -> None:
    here, nowhere = refused(direct(), command), decide(State("talk"), post(DAN), AT, LIMITS)
    assert isinstance(nowhere, Refusal)
    assert (here.code, here.text) == (nowhere.code, nowhere.text)


def test_in_slow_mode_a_member_waits_and_a_moderator_does_not() -> None:
    state = begun(Entrant(BEN), Entrant(CLEO, "moderator"), slow_mode=10)
    done(state, post(BEN), post(CLEO), post(CLEO))
    refusal = refused(state, post(BEN, key="k"), AT + 4_000)
    assert (refusal.code, refusal.retry_after, refusal.facts, refusal.key) == (
        *(Code.SLOW_MODE, 6.0, {"seconds": 10}, "k"),
    )
    assert refusal.reason.temporary
    done(state, post(BEN), at=AT + 10_000)
    done(state, Update("talk", CLEO, slow_mode=0), post(BEN), at=AT + 10_001)


def test_who_comes_later_reads_from_there_where_the_history_begins_with_joining() -> None:
    state = begun(Entrant(BEN), history="since_join")
    done(state, post(ADA), Join("talk", CLEO, Entrant(CLEO)), post(ADA))
    assert [first_readable(state, state.members[who.id]) for who in (ADA, BEN, CLEO)] == [1, 1, 3]
    senders = {2: "ada", 4: "ada"}.get
    reply = partial(Post, "talk", content="re", key=None)
    for who, sequence, allowed in ((BEN, 2, True), (CLEO, 2, False), (CLEO, 4, True)):
        command = reply(sender=who, reply_to=f"talk-{sequence}")
        decision = decide(state, command, AT, LIMITS, senders)
        assert isinstance(decision, Refusal) is not allowed
    done(state, Update("talk", ADA, history="all"))
    assert first_readable(state, state.members["cleo"]) == 1


def test_only_owners_change_rules_and_slow_mode_is_for_who_may_mute() -> None:
    state = begun(Entrant(BEN, "moderator"), permissions={"rename": "member"})
    assert refused(state, Update("talk", BEN, history="since_join")).code is Code.FORBIDDEN
    assert refused(state, Update("talk", BEN, permissions={})).code is Code.FORBIDDEN
    done(state, Update("talk", BEN, title="Supper", slow_mode=5))


# --- whatever comes -------------------------------------------------------------------------------------------------------

PEOPLE = (ADA, BEN, CLEO, DAN, BOT)
who = st.sampled_from(PEOPLE)
ids = st.sampled_from([each.id for each in PEOPLE])
some_role = st.sampled_from(["owner", "moderator", "member", "observer"])
some_time = st.none() | st.integers(AT, AT + 30)
invite_ids = st.sampled_from(["i", "j"])
of_talk = st.just("talk")
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    *(
        st.builds(each, of_talk, who, ids)
        for each in (Remove, Unban, Unmute, ApproveJoin, DenyJoin)
    ),
    *(st.builds(each, of_talk, who, ids, some_time) for each in (Ban, Mute)),
    st.builds(SetRole, of_talk, who, ids, some_role),
    st.builds(
        CreateInvite,
        of_talk,
        who,
        st.uuids().map(str) | invite_ids,
        some_role,
        st.none() | st.integers(1, 20),
        st.none() | st.integers(1, 2),
    ),
    *(st.builds(each, of_talk, who, invite_ids) for each in (RevokeInvite, AcceptInvite)),
    st.builds(RequestJoin, of_talk, who),
    st.builds(lambda each: Join("talk", each, Entrant(each)), who),
    st.builds(Leave, of_talk, who),
    st.builds(post, who),
    st.builds(
        Update,
        of_talk,
        who,
        permissions=st.dictionaries(st.sampled_from(sorted(LEAST)), st.none() | some_role),
    ),
)


@given(
    st.lists(st.builds(Entrant, who, some_role), max_size=3).map(tuple),
    st.sampled_from(["open", "invite"]),
    st.lists(COMMANDS, max_size=40),
)
def test_no_event_acts_upwards_and_folding_the_events_again_gives_the_same_state(
    entrants: tuple[Entrant, ...], join: Any, commands: list[Command]
) -> None:
    kept, events = State("talk"), []
    for at, command in enumerate([Create("talk", ADA, "T", entrants, join=join), *commands], AT):
        before = deepcopy(kept)
        event = decide(kept, command, at, LIMITS)
        assert kept == before, "deciding changes nothing"
        if isinstance(event, Event):
            draft = kept.draft()
            apply(draft, event)
            assert kept == before, "a draft shares nothing that it changes"
            check(kept, draft, event)
            kept = draft
            events.append(event)
    again = State("talk")
    for event in events:
        apply(again, event)
    assert again == kept


def check(before: State, after: State, event: Event) -> None:
    """What holds for every event."""
    assert ("owner" in roles(after).values()) is bool(after.members)
    assert after.requests.keys().isdisjoint(after.members)
    assert after.reads.keys() <= after.members.keys()
    assert all(
        each.max_uses is None or each.uses <= each.max_uses for each in after.invites.values()
    )
    if isinstance(event, Joined):
        ban = before.bans.get(event.participant.id)
        assert ban is None or ban.over(event.at)
    if isinstance(event, MemberEvent) and not isinstance(event, JoinRequested | Created):
        assert event.by in before.members
    target = {
        Removed: lambda it: it.participant.id,
        Banned: lambda it: it.participant.id,
        Muted: lambda it: it.participant.id,
        RoleChanged: lambda it: it.participant_id,
    }.get(type(event))
    if target is not None:
        member, actor = before.members.get(target(event)), before.members[event.by]  # type: ignore[union-attr]
        assert member is None or member is actor or RANK[actor.role] > RANK[member.role]
