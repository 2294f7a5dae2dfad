"""The verdict of one process on the events and receipts of its users, once no more will arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checker import span, spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .figures import Tally
    from .transcript import Transcript
    from .user import User


def judge(
    users: Iterable[User],
    transcripts: Mapping[str, Transcript],
    heads: Mapping[str, int],
    tally: Tally,
) -> None:
    """Report every anomaly to `tally`. `heads` are the logs' last sequences by room, for the rooms where they are known."""
    said = {room: _by_person(transcript.keys) for room, transcript in transcripts.items()}
    for room, transcript in transcripts.items():
        for kind, text in _of_the_log(transcript, heads.get(room, transcript.last)):
            tally.anomaly(kind, f"{room}: {text}")
    for user in users:
        mine = said[user.room].get(b"%d" % user.number, {})
        tally.unknown += user.ledger.unknown
        for kind, text in user.reader.verdict() + user.ledger.verdict(mine):
            user.anomaly(kind, text)


def _by_person(keys: Mapping[bytes, int]) -> dict[bytes, dict[bytes, int]]:
    people: dict[bytes, dict[bytes, int]] = {}
    for key, sequence in keys.items():
        people.setdefault(key.partition(b"-")[0], {})[key] = sequence
    return people


def _of_the_log(transcript: Transcript, head: int) -> list[tuple[str, str]]:
    found = list(transcript.problems)
    for first, last in spans(transcript.holes):
        found.append(("gap", f"{span(first, last)} came to nobody, what follows did"))
    if transcript.last < head:
        found.append(
            ("lost", f"{span(transcript.last + 1, head)} came to nobody and are in the log")
        )
    elif transcript.last > head:
        found.append(
            ("lost", f"{span(head + 1, transcript.last)} were sent and are not in the log")
        )
    return found
