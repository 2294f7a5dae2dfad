"""How an event's declaration names the fields of its frame, and the fields that many events share."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Form(Enum):
    """How a field's value is written in JSON: the codec and the AsyncAPI document have an entry for each."""

    COUNT = auto()
    FLAG = auto()
    HISTORY = auto()  # what a member may read
    ID = auto()
    JOIN_POLICY = auto()
    MESSAGE = auto()  # the whole event, as the object that its frame carries
    METADATA = auto()  # JSON text, written as the object that it is
    MODE = auto()
    ENTRANTS = auto()
    PARTICIPANT = auto()
    PERMISSIONS = auto()  # actions, and the least role for each
    REASON = auto()  # why a run failed
    RETENTION = auto()  # days that messages are kept, written as an object
    ROLE = auto()
    SECONDS = auto()
    SEQUENCE = auto()
    STEERING = auto()  # what a new question does to an open answer
    TEXT = auto()
    TEXTS = auto()
    TIME = auto()
    TRIGGER = auto()  # which messages an agent is asked to answer


class Field(NamedTuple):
    """One field of a frame. `attribute` is the event's, `name` the frame's; an optional field is left out where it is None."""

    name: str
    form: Form
    attribute: str = ""
    optional: bool = False
    nullable: bool = False
    description: str = ""

    @property
    def source(self) -> str:
        """The event's attribute."""
        return self.attribute or self.name


SEQUENCE_ID = Field("sequence_id", Form.SEQUENCE, "sequence")
CONVERSATION_ID = Field("conversation_id", Form.ID)
TIMESTAMP = Field("timestamp", Form.TIME, "at")
METADATA = Field("metadata", Form.METADATA, optional=True)
RUN_ID = Field("run_id", Form.ID)
PARTICIPANT_ID = Field("participant_id", Form.ID)
BY = Field("by", Form.ID, description="The participant who did it.")
WHY = Field("reason", Form.TEXT, optional=True, description="What they gave as the reason.")
UNTIL = Field(
    "until", Form.TIME, optional=True, description="Left out where it lasts until somebody ends it."
)
