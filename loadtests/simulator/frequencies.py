"""How often each kind of step is drawn: relative frequencies, and how many steps a plan has of each vocabulary."""

from __future__ import annotations

# Every so many seeds have agents: the others test people alone, as fast as ever.
WITH_AGENTS = 3

STEPS = (40, 90)
# First of people's actions, then of faults.
DEEDS = {
    "say": 30,
    "burst": 4,
    "post": 6,
    "repeat": 5,
    "reuse": 2,
    "type": 2,
    "read": 3,
    "leave": 3,
    "join": 4,
    "rename": 3,
    "change one's name": 3,
    "open a tab": 4,
    "visit": 4,
}
FAULTS = {
    "drop": 8,
    "drop all": 2,
    "stand still": 4,
    "read slowly": 4,
    "lose answers": 3,
    "crash conversation": 3,
    "crash participant": 2,
    "crash in a turn": 3,
    "kill": 2,
    "restart": 3,
    "kill before commit": 3,
    "kill after commit": 3,
    "slow store": 3,
    "failing store": 4,
    "failing read": 3,
    "jump": 3,
    "passivate": 4,
    "empty": 3,
}

# Steps that change earlier messages, besides the others, with faults that come close to them.
CHANGES = {
    "edit": 14,
    "delete": 6,
    "react": 10,
    "pin": 4,
    "reply in a thread": 10,
    "read a thread": 3,
    "mark as unread": 3,
    "read a page": 5,
    "change again": 6,
    "visit": 2,
    "drop": 3,
    "lose answers": 3,
    "crash in a turn": 1,
    "kill": 1,
    "restart": 1,
    "kill before commit": 2,
    "kill after commit": 2,
    "slow store": 1,
    "failing store": 2,
    "passivate": 3,
}
CHANGE_STEPS = (15, 40)

# Steps of a seed with agents, besides the others.
WITH_AGENT = {
    "ask": 12,
    "cancel": 5,
    "decide": 8,
    "regenerate": 2,
    "take back": 5,
    "drop agent": 5,
    "stop agent": 3,
    "kill": 1,
    "restart": 1,
}
AGENT_STEPS = (10, 25)

# Every so many seeds have rooms, too: conversations with roles, invites and moderation.
WITH_ROOMS = 3
ROOM_PEOPLE = 4
IN_ROOMS = {
    "speak": 12,
    "set a role": 6,
    "remove": 4,
    "ban": 4,
    "unban": 3,
    "mute": 4,
    "unmute": 2,
    "invite": 5,
    "use an invite": 3,
    "revoke an invite": 2,
    "ask to join": 5,
    "come and go": 3,
    "let in again": 3,
    "set the rules": 4,
    "keep for oneself": 2,
    "open a direct conversation": 2,
    "delete a conversation": 3,
    "say what is held": 6,
    "decide about what is held": 2,
    "report": 2,
    "send a file": 4,
    "change in a room": 9,
    "read in a room": 6,
    "drop": 2,
    "lose answers": 2,
    "kill": 1,
    "restart": 1,
    "kill before commit": 1,
    "kill after commit": 2,
    "slow store": 2,
    "failing store": 2,
    "failing read": 1,
    "passivate": 2,
}
ROOM_STEPS = (25, 45)

# Every so many seeds have operators, too: webhooks, tokens that end, erasures, holds and days that pass.
WITH_OPERATORS = 3
OPERATED = {
    "visitors speak": 14,
    "visitors change": 8,
    "read of a visitor": 5,
    "open a stream": 6,
    "revoke a token": 5,
    "revoke all tokens": 2,
    "block a visitor": 3,
    "unblock a visitor": 4,
    "issue a short token": 5,
    "use an ended token": 5,
    "renew in-band": 4,
    "erase a visitor": 3,
    "hold": 4,
    "release a hold": 3,
    "change what is held": 4,
    "a day passes": 5,
    "a backend is down": 3,
    "a backend refuses": 6,
    "a backend stalls": 2,
    "a backend loses answers": 3,
    "retry a webhook": 2,
    "replay a webhook": 5,
    "fail to save": 3,
    "kill at a save": 3,
    "drop": 3,
    "drop all": 1,
    "kill": 3,
    "restart": 2,
    "kill after commit": 1,
    "slow store": 2,
    "failing store": 2,
    "failing read": 1,
    "passivate": 2,
}
OPERATOR_STEPS = (35, 60)
