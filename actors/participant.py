"""The participant: admission of commands and their rate. It owns a person's or an agent's connections."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from .change_messages import CHANGE_COMMANDS
from .held import Held
from .keeping_messages import KEEPING_COMMANDS
from .mailbox import Letter, MailboxFull
from .member_messages import MEMBER_COMMANDS, OpenDirect
from .messages import (
    Admit,
    Attach,
    Create,
    Detach,
    Inform,
    Post,
    Reviewed,
    Revoke,
    Sync,
    Update,
)
from .moderation import MODERATED
from .rates import TokenBucket
from .refusals import Code, Refusal, about_run, too_fast
from .run_messages import RUN_COMMANDS, CancelRun, ExtendRun, RegenerateRun, StartRun, UpdateAgent
from .runtime import ActorDied, TrioActor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .host import Host
    from .messages import Command
    from .moderation import Moderator
    from .signals import Signal
    from .subscriber import Caller, Subscriber

BUCKETS_KEPT = 64  # conversations whose rate is remembered before those at rest are dropped
CONNECTION_RETRY = 5.0  # seconds: a lost connection is not detected sooner
# What counts against a sender's rate in a conversation
RATED = (
    MEMBER_COMMANDS
    | KEEPING_COMMANDS
    | CHANGE_COMMANDS
    | {Post, Sync, Update, StartRun, CancelRun, RegenerateRun, UpdateAgent}
)
REVIEWS = (
    64  # messages of one sender in one conversation that are judged at a time: a minute of writing
)
REVIEW_RETRY = 1.0  # seconds: a judgement takes less, mostly
WAITING = 1000  # commands of one participant between the socket and the conversations: the size of a conversation's mailbox


class Review:
    """A message that is being judged; `outcome` is None until it is."""

    __slots__ = ("letter", "outcome")

    def __init__(self, letter: Letter) -> None:
        self.letter = letter
        self.outcome: Command | Refusal | Held | None = None


class ParticipantActor(TrioActor):
    """Stands between one participant's connections and the conversations."""

    kind: ClassVar[str] = "participant"

    def __init__(self, host: Host, participant_id: str) -> None:
        super().__init__(host.system, participant_id, limit=WAITING)
        self._host = host
        self._limits = host.limits
        self.connections: dict[str, Subscriber | None] = {}  # None: admitted, not attached yet
        self._rates: dict[str, TokenBucket] = {}
        self._creations: TokenBucket | None = None
        self._reviews: dict[str, deque[Review]] = {}  # by conversation, in the order of sending
        # Refusals are flushed once a turn: a sender that is too fast gets many at once
        self._refused: dict[Caller, None] = {}

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        """Pass each command to its conversation, or answer it with a refusal."""
        now = trio.current_time()
        for letter in batch:
            self._take(letter, now)
        if self._refused:
            self._flush_refused()

    def pass_on(self, command: Command | Sync, caller: Caller) -> None:
        """Take a command at once where nothing waits before it: a turn costs five times as much. Raises as `Ref.tell`."""
        if not self.idle or self.actor_stopped.up:
            self.actor_ref.tell(command, caller)
            return
        now = self.system.now()
        self.take_at_once(self._take, Letter(command, caller, now), now)
        if self._refused:
            self.wake()  # a turn over nothing flushes them

    def _take(self, letter: Letter, now: float) -> None:
        message = letter.message
        if type(message) is ExtendRun and self._host.draining is None:
            self._forward(letter)  # the most frequent of all, and without a rate
        elif message.is_command or isinstance(message, Sync):
            refusal = self.refusal(message, now)
            if refusal is not None:
                self._refuse(letter, refusal)
            elif (moderator := self._host.moderator) is not None and type(message) in MODERATED:
                self._review(letter, moderator)
            else:
                self._forward(letter)
        else:
            self._control(letter)

    def _flush_refused(self) -> None:
        for caller in self._refused:
            caller.flush()
        self._refused.clear()

    def refusal(self, message: Any, now: float) -> Refusal | None:
        """Why a command may not be carried out now: a drain, or its sender's rate, against which it counts."""
        if self._host.draining is not None and not self._host.has_left:
            retry_after = self._host.draining()
            return Refusal(
                Code.DRAINING, retry_after=retry_after, scope="server", key=_key(message)
            )
        kind = type(message)
        if kind in RATED:
            limit, unit = self._limits.message_rate, "messages a second"
            bucket = self._rate(message.conversation_id, now) if limit else None
            wait = bucket.take(now, _key(message)) if bucket else 0.0
        elif kind is Create or kind is OpenDirect:
            wait = self._creation_rate(now).take(now)
            limit, unit = self._limits.conversations_per_hour, "conversations an hour"
        else:
            return None
        if not wait:
            return None
        return too_fast(limit, unit, wait, "participant", key=_key(message))

    def _rate(self, conversation_id: str, now: float) -> TokenBucket:
        bucket = self._rates.get(conversation_id)
        if bucket is None:
            if len(self._rates) >= BUCKETS_KEPT:
                self._rates = {id: b for id, b in self._rates.items() if not b.full(now)}
            limits = self._limits
            bucket = TokenBucket(limits.message_rate, limits.message_burst, now)
            self._rates[conversation_id] = bucket
        return bucket

    def _creation_rate(self, now: float) -> TokenBucket:
        if self._creations is None:
            hourly = self._limits.conversations_per_hour
            self._creations = TokenBucket(hourly / 3600, hourly, now)
        return self._creations

    # --- what is judged before its conversation gets it --------------------------------------------------------------

    def _review(self, letter: Letter, moderator: Moderator) -> None:
        """Have a message judged; those of this sender in a conversation stay in their order."""
        conversation_id = letter.message.conversation_id
        waiting = self._reviews.get(conversation_id)
        if waiting is not None and len(waiting) >= REVIEWS:
            facts = {"queue_size": len(waiting), "limit": REVIEWS}
            key = _key(letter.message)
            refusal = Refusal(
                Code.QUEUE_FULL, facts, retry_after=REVIEW_RETRY, scope="participant", key=key
            )
            self._refuse(letter, refusal)
            return
        review = Review(letter)
        passed = moderator.judge(letter.message, partial(self._judged, review))
        if passed is not None and waiting is None:
            letter.message = passed
            self._forward(letter)
            return
        review.outcome = passed
        self._reviews.setdefault(conversation_id, deque()).append(review)

    def _judged(self, review: Review, outcome: Command | Refusal | Held) -> None:
        """Note what has come of a judgement, outside of a turn; a turn goes on with it."""
        review.outcome = outcome
        if self.actor_ref.is_alive():
            self.actor_ref.tell(Reviewed(review.letter.message.conversation_id))

    def _go_on(self, conversation_id: str) -> None:
        waiting = self._reviews.get(conversation_id)
        while waiting and waiting[0].outcome is not None:
            review = waiting.popleft()
            letter, outcome = review.letter, review.outcome
            if isinstance(outcome, Refusal):
                self._refuse(letter, outcome)
            elif isinstance(outcome, Held):
                letter.answer(outcome)
                if letter.reply_to is not None:
                    self._refused[letter.reply_to] = None
            else:
                letter.message = outcome
                self._forward(letter)
        if not waiting:
            self._reviews.pop(conversation_id, None)

    def _inform(self, conversation_id: str, signal: Signal) -> None:
        payload = self._host.codec.payload([self._host.codec.encode(signal)])
        for subscriber in self.connections.values():
            if subscriber is not None and subscriber.conversation_id == conversation_id:
                subscriber.push(payload)

    def _forward(self, letter: Letter) -> None:
        message = letter.message
        try:
            if isinstance(message, Create):
                self._host.begin(message.conversation_id).forward(letter)
            else:
                self._host.conversation(message.conversation_id).forward(letter)
        except MailboxFull as full:
            refusal = Refusal(
                Code.QUEUE_FULL,
                {"queue_size": full.waiting, "limit": full.limit},
                retry_after=full.retry_after,
                scope="participant" if full.shared else "conversation",
                key=_key(message),
            )
            self._refuse(letter, refusal, drain_rate=full.rate)
        except ActorDied as died:
            self._refuse(
                letter,
                Refusal(
                    Code.INTERNAL_ERROR, retry_after=1.0, scope="conversation", key=_key(message)
                ),
                why=str(died),
            )

    def _refuse(self, letter: Letter, refusal: Refusal, **figures: float | str) -> None:
        if type(letter.message) in RUN_COMMANDS:
            refusal = about_run(refusal, letter.message.run_id)
        named = self._host.refusals.name(
            refusal,
            participant_id=self.key,
            conversation_id=letter.message.conversation_id,
            **figures,
        )
        letter.answer(named)
        if letter.reply_to is not None:
            self._refused[letter.reply_to] = None

    def _control(self, letter: Letter) -> None:
        match letter.message:
            case Admit(connection_id):
                letter.answer(self._admit(connection_id))
            case Attach(conversation_id, subscriber):
                self.connections[subscriber.connection_id] = subscriber
                if conversation_id:  # else it is about all of them
                    self._pass(conversation_id, letter)
            case Detach(conversation_id, subscriber):
                self.connections.pop(subscriber.connection_id, None)
                self._pass(conversation_id, letter)
            case Reviewed(conversation_id):
                self._go_on(conversation_id)
            case Inform(conversation_id, signal):
                self._inform(conversation_id, signal)
            case Revoke() as revoke:
                self._revoke(revoke)
            case other:
                raise TypeError(f"a participant does not take {type(other).__name__}")

    def _revoke(self, revoke: Revoke) -> None:
        for owned in list(self.connections.values()):
            # One that is not attached yet is not known here: whoever attaches it looks whether its token still holds.
            if owned is not None and revoke.means(owned.token_id):
                owned.close(4500, "identity revoked")

    def _admit(self, connection_id: str) -> Refusal | None:
        limit = self._limits.connections_per_person
        if limit and len(self.connections) >= limit:
            refusal = Refusal(
                Code.TOO_MANY_CONNECTIONS,
                {"limit": limit},
                retry_after=CONNECTION_RETRY,
                scope="participant",
            )
            return self._host.refusals.name(refusal, participant_id=self.key)
        self.connections[connection_id] = None
        return None

    def _pass(self, conversation_id: str, letter: Letter) -> None:
        """Pass a control on. Attach needs a live conversation; Detach from a dead one is done already."""
        try:
            if isinstance(letter.message, Detach):
                attended = self._host.attended(conversation_id)
                if attended is not None:
                    attended.actor_ref.forward(letter)
            else:
                self._host.conversation(conversation_id).forward(letter)
        except ActorDied:
            letter.message.subscriber.close(4002, "the conversation is being restarted")

    @property
    def passive(self) -> bool:
        """Whether the actor can be removed: it has no connection, and no rate to remember."""
        now = trio.current_time()
        return (
            self.idle
            and not self.connections
            and not self._reviews
            and all(bucket.full(now) for bucket in self._rates.values())
            and (self._creations is None or self._creations.full(now))
        )

    def on_failure(self, *_: Any) -> None:
        """Close the connections so that they reconnect; a new actor will own them."""
        self._host.crashed(self)
        died = ActorDied(f"{self.actor_urn} has stopped")
        for review in [each for waiting in self._reviews.values() for each in waiting]:
            review.letter.fail(died)
        for subscriber in self.connections.values():
            if subscriber is not None:
                subscriber.close(4002, "the participant was restarted")
                conversation = self._host.attended(subscriber.conversation_id)
                if conversation is not None:  # the connection's own Detach may have been lost here
                    conversation.actor_ref.tell(Detach(subscriber.conversation_id, subscriber))


def _key(message: Any) -> str | None:
    return getattr(message, "key", None)
