"""Checks runs: the text that each reader follows, and in the log one end for each start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Event = dict[str, Any]
ENDS = frozenset({"message", "run_failed"})


class Following:
    """The texts of runs as one socket receives them. `wrong` is called with a line and what is wrong there."""

    def __init__(self, person: str, wrong: Callable[[int, str], None]) -> None:
        self._person = person
        self._wrong = wrong
        self._texts: dict[str, str] = {}
        self._mute: set[str] = set()  # runs of this person's own, which are not sent to it
        self._ended: set[str] = set()
        self._asked = False
        self._due = 1  # answers that end with a `caught_up`: the first, and those to a `sync`

    def interrupted(self) -> None:
        """Take that the reader is not live: it may miss deltas until the next `caught_up`."""
        self._due = max(1, self._due)
        self._texts.clear()

    def asked(self) -> None:
        """Take that the reader asks for events again: until all is answered, deltas that were under way still come.

        The server may answer only the last of several. Then the texts on this socket are not judged any more.
        """
        self._asked = True
        self._due += 1

    def caught_up(self) -> None:
        """Take that the reader is live again: the text so far of each open run follows."""
        self._due = max(0, self._due - 1)
        self._texts.clear()

    def delta(self, line: int, frame: Event) -> None:
        """Take a delta."""
        run_id, offset = frame["run_id"], frame["offset"]
        so_far = self._texts.get(run_id, "")
        if run_id in self._ended:
            self._wrong(line, f"a delta of the run {run_id}, which had ended")
        elif offset > len(so_far):
            if self._asked and self._due:
                return
            self._wrong(line, f"a delta of {run_id} from {offset} on, after {len(so_far)} had come")
        else:
            self._texts[run_id] = so_far[:offset] + frame["text"]

    def event(self, line: int, event: Event) -> None:
        """Take an event."""
        if event["type"] == "run_started" and event["participant_id"] == self._person:
            self._mute.add(event["run_id"])
        run_id = ended_run(event)
        if run_id is None or run_id in self._ended:
            return
        self._ended.add(run_id)
        text = self._texts.pop(run_id, "")
        message = event.get("message", {})
        said = message.get("content", "") if "revision" not in message else ""
        # A run that began and ended in one turn has no deltas.
        if not self._due and text and run_id not in self._mute and text != said and said:
            self._wrong(line, f"the deltas of {run_id} make {text!r}, its message is {said!r}")


def ended_run(event: Event) -> str | None:
    """The id of the run that the event ends."""
    fields = event["message"] if event["type"] == "message" else event
    run_id: str | None = fields.get("run_id") if event["type"] in ENDS else None
    return run_id


class Fault(NamedTuple):
    """Something wrong in the log: the kind of anomaly, what it is, and where."""

    kind: str
    text: str
    sequence: int


def faults(events: Iterable[Event], *, ended: bool) -> Iterator[Fault]:
    """What is wrong with the runs of a whole log. `ended` says that no run may be open at its end."""
    open_runs: dict[str, int] = {}
    known: set[str] = set()
    hops, calls = 0, dict[str, int]()
    senders: dict[str, tuple[str, int]] = {}  # message id -> type of its sender, hops with it
    for event in events:
        sequence = event["sequence_id"]
        if event["type"] == "run_started":
            run_id, asked_for = event["run_id"], senders.get(event.get("reply_to", ""))
            if run_id in known:
                yield Fault("run", f"the run {run_id} begins a second time", sequence)
            known.add(run_id)
            open_runs[run_id] = sequence
            allowed = calls.get(event["participant_id"], 0)
            if asked_for is not None and asked_for[0] == "agent" and asked_for[1] > allowed:
                text = f"{run_id} answers the {asked_for[1]}th message of agents, {allowed} are allowed"
                yield Fault("hops", text, sequence)
        elif event["type"] == "agent_updated":
            calls[event["participant_id"]] = event["agents_may_call"]
        if event["type"] == "message":
            message = event["message"]
            hops = 0 if message["sender_type"] == "human" else hops + 1
            senders[message["message_id"]] = message["sender_type"], hops
        ended_id = ended_run(event)
        if ended_id is not None and open_runs.pop(ended_id, None) is None:
            yield Fault("run", f"the run {ended_id} ends, and is not open", sequence)
    if ended:
        for run_id, sequence in open_runs.items():
            yield Fault("run", f"the run {run_id} never ended", sequence)
