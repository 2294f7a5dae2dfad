"""A message as it is now: what was sent, and what was done to it since."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .posted import Posted

PARTICIPANTS_SHOWN = 20  # of each kind of reaction, in the message's frame


class Reaction(NamedTuple):
    """One kind of reaction. `participants` are the ids of all who gave it, the first ones first."""

    emoji: str
    participants: tuple[str, ...]


class Message(NamedTuple):
    """A message as its stored frame shows it, but for the participants of reactions: those are all here.

    `posted` has the present content, mentions and metadata. `as_of` is the sequence of the last event that is part of this, 0
    where nothing was done to the message.
    """

    posted: Posted
    revision: int = 1
    edited_at: int | None = None
    is_deleted: bool = False
    is_pinned: bool = False
    reactions: tuple[Reaction, ...] = ()
    replies: int = 0
    last_reply_at: int | None = None
    as_of: int = 0

    def reacted(self, emoji: str) -> tuple[str, ...] | None:
        """The ids of those who gave a kind of reaction; None where nobody has."""
        for reaction in self.reactions:
            if reaction.emoji == emoji:
                return reaction.participants
        return None


def edited(
    message: Message,
    content: str,
    revision: int,
    mentions: tuple[str, ...],
    metadata: str | None,
    at: int,
) -> Message:
    """The message with another content. `metadata` is all that it has from now on."""
    posted = message.posted._replace(content=content, mentions=mentions, metadata=metadata)
    return message._replace(posted=posted, revision=revision, edited_at=at)


def deleted(message: Message) -> Message:
    """What is left of a deleted message: its place, its sender, its time, and the thread under it."""
    posted = message.posted._replace(
        content="", mentions=(), metadata=None, usage=None, results=None, files=None
    )
    return Message(
        posted,
        message.revision,
        is_deleted=True,
        replies=message.replies,
        last_reply_at=message.last_reply_at,
    )


def reacted(message: Message, emoji: str, participant_id: str) -> Message:
    """The message with one more reaction."""
    there = message.reacted(emoji)
    if there is None:
        return message._replace(reactions=(*message.reactions, Reaction(emoji, (participant_id,))))
    return message._replace(
        reactions=tuple(
            Reaction(emoji, (*there, participant_id)) if each.emoji == emoji else each
            for each in message.reactions
        )
    )


def unreacted(message: Message, emoji: str, participant_id: str) -> Message:
    """The message with one reaction less; a kind that nobody gives any more is gone."""
    left = (
        Reaction(each.emoji, tuple(id for id in each.participants if id != participant_id))
        if each.emoji == emoji
        else each
        for each in message.reactions
    )
    return message._replace(reactions=tuple(each for each in left if each.participants))


def replied(root: Message, at: int) -> Message:
    """The root of a thread with one more reply."""
    return root._replace(replies=root.replies + 1, last_reply_at=at)


def reply_deleted(root: Message) -> Message:
    """The root of a thread with one reply less. The time of the last reply stays."""
    return root._replace(replies=root.replies - 1)


def counts(reactions: tuple[Reaction, ...]) -> Mapping[str, tuple[int, tuple[str, ...]]]:
    """What a frame shows of the reactions: how many of each kind, and the first of those who gave it."""
    return {
        each.emoji: (len(each.participants), each.participants[:PARTICIPANTS_SHOWN])
        for each in reactions
    }
