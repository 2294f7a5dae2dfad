"""Which files a message may carry, and how it shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salon.actors.events import Posted
from salon.actors.files import SENDABLE, Attachment, StoredFile
from salon.actors.limits import Limits
from salon.actors.messages import Post
from salon.actors.refusals import Code, Refusal
from salon.actors.rules import decide
from tests.unit.history import ADA, BEN, History

AT = 1_800_000_000_000
PICTURE = StoredFile("f", 1, ADA.id, "c" * 64, "cat.png", "image/png", 70, AT, 6, 4)
PLAIN = PICTURE._replace(
    file_id="g", name="a.txt", media_type="text/plain", width=None, height=None
)
SENT = PICTURE._replace(sequence=2, key="k")


def post(*names: str, files: tuple[StoredFile, ...] = (PICTURE, PLAIN), **fields: Any) -> object:
    """What is decided about a message with the files of these ids."""
    history = History(BEN)
    history.begin()
    there = {each.file_id: each for each in files}
    at = fields.pop("at", AT)
    command = Post(
        history.id,
        fields.pop("sender", ADA),
        "look",
        files=tuple(Attachment(each) for each in names),
        **fields,
    )
    return decide(history.state, command, at, Limits(), file_of=there.get)


def refused(decision: object, code: Code) -> Refusal:
    assert isinstance(decision, Refusal)
    assert decision.code is code
    return decision


def test_a_message_shows_what_each_file_is_in_the_order_in_which_it_was_named() -> None:
    event = post("g", "f")
    assert isinstance(event, Posted)
    assert event.files is not None
    assert json.loads(event.files) == [
        {"file_id": "g", "name": "a.txt", "media_type": "text/plain", "size": 70},
        {
            "file_id": "f",
            "name": "cat.png",
            "media_type": "image/png",
            "size": 70,
            "width": 6,
            "height": 4,
        },
    ]


def test_a_file_has_the_alternative_text_of_its_message() -> None:
    history = History()
    history.begin()
    command = Post(history.id, ADA, "look", files=(Attachment("f", "A cat"),))
    event = decide(history.state, command, AT, Limits(), file_of={"f": PICTURE}.get)
    assert isinstance(event, Posted)
    assert json.loads(event.files or "")[0]["alt"] == "A cat"


def test_a_message_without_files_says_nothing_of_them() -> None:
    event = post()
    assert isinstance(event, Posted)
    assert event.files is None


def test_an_unknown_file_is_named() -> None:
    assert refused(post("f", "nobody's"), Code.FILE_NOT_FOUND).facts == {"file_id": "nobody's"}


def test_nobody_sends_what_somebody_else_has_uploaded_or_learns_of_it() -> None:
    theirs = refused(post("f", sender=BEN), Code.FILE_NOT_FOUND)
    assert theirs == refused(post("f", sender=BEN, files=()), Code.FILE_NOT_FOUND)


def test_a_file_is_sent_once() -> None:
    assert refused(post("f", files=(SENT,)), Code.FILE_ALREADY_SENT).facts == {"file_id": "f"}
    refused(post("f", files=(SENT,), key="another"), Code.FILE_ALREADY_SENT)
    refused(post("f", files=(SENT._replace(key=None),)), Code.FILE_ALREADY_SENT)


def test_the_same_message_again_may_name_the_files_that_it_has() -> None:
    assert isinstance(post("f", files=(SENT,), key="k"), Posted)
    assert isinstance(post("f", files=(SENT._replace(gone=True),), key="k"), Posted)


def test_a_deleted_file_is_not_found() -> None:
    refused(post("f", files=(PICTURE._replace(gone=True),)), Code.FILE_NOT_FOUND)


def test_a_file_can_be_sent_for_a_day() -> None:
    assert isinstance(post("f", at=AT + SENDABLE), Posted)
    refused(post("f", at=AT + SENDABLE + 1), Code.FILE_NOT_FOUND)


def test_a_file_is_named_once_in_a_message() -> None:
    assert "twice" in refused(post("f", "f"), Code.INVALID_FORMAT).text


@pytest.mark.parametrize(("count", "fits"), [(10, True), (11, False)])
def test_a_message_carries_at_most_ten_files(count: int, fits: bool) -> None:
    files = tuple(PLAIN._replace(file_id=f"{n}") for n in range(count))
    decision = post(*(each.file_id for each in files), files=files)
    if fits:
        assert isinstance(decision, Posted)
    else:
        assert "at most 10" in refused(decision, Code.INVALID_FORMAT).text


def test_a_refusal_tells_the_client_which_of_its_messages_it_was() -> None:
    for files in ((), (SENT,)):
        decision = post("f", files=files, key="mine")
        assert isinstance(decision, Refusal)
        assert decision.key == "mine"
