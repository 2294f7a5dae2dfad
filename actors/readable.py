"""What of an event somebody may read who may not read the whole log: an edit of an older message shows no content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .events import Edited

if TYPE_CHECKING:
    from .store import Record
    from .subscriber import Codec


def body_for(record: Record, oldest: int, codec: Codec) -> bytes:
    """A record's stored form for one who may read messages from the sequence `oldest` on."""
    if record.relation != "edit" or record.target is None or record.target >= oldest:
        return record.body
    event = codec.decode(record)
    assert isinstance(event, Edited), "an edit is recorded for what it is"
    return codec.encode(event.without_content())
