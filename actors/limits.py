"""The numbers that bound the engine; 0 turns a limit off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a client may rely on; the reasons stand beside each number."""

    # Members of one conversation: every message is written to each of them
    max_participants: int = 100
    queue_size: int = 1000  # commands waiting in one mailbox: about a second of a busy conversation
    queue_share: int = 250  # of these, from one participant, so that nobody fills the mailbox alone
    max_message_size: int = 10_000  # code points: a long page of text
    edit_window: float = 0.0  # seconds in which a message may be edited; 0: for ever
    # Events replayed on a socket; beyond it paging over HTTP is kinder to both
    resume_limit: int = 1000
    # Messages a second, per participant and conversation: faster than anybody types
    message_rate: float = 20
    message_burst: int = 100  # messages at once after a pause, such as an offline outbox
    conversations_per_hour: int = 0
    connections_per_person: int = 20  # tabs and devices
    presence_grace: float = 5.0  # seconds offline before it is announced: a reconnect takes less
    presence_interval: float = 1.0  # seconds between two presence signals
    typing_timeout: float = 5.0  # seconds until "is typing" ends by itself
    # Seconds that an open run waits for its agent, who has no connection: a restart takes less
    run_grace: float = 30.0
    run_timeout: float = 300.0  # seconds of silence until a run ends, though its agent is connected
    open_runs: int = 10  # of one agent in one conversation
    files_per_message: int = 10  # what a person chooses at once
    idle_timeout: float = 60.0  # seconds unobserved and idle until a conversation is passivated
    # Crashes of one conversation before it is refused for the rest of the minute
    restarts_per_minute: int = 5
