"""What a server did with files and sockets, as strace saw it; and the disk that a power cut would have left."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

FILES = "openat,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,ftruncate,link,linkat,unlink,rename"
SOCKETS = "write,writev,sendto,sendmsg,sendmmsg,sendfile"
SENDS = frozenset(SOCKETS.split(","))
NAMING = frozenset(("link", "linkat", "openat", "rename", "unlink"))  # the last text is the file
SYNCS = frozenset(("fsync", "fdatasync"))
SECTOR = 512  # bytes that a disk writes whole or not at all

BEGUN = re.compile(r"(?P<name>\w+)\((?P<args>.*?)(?: <unfinished \.\.\.>| *\) += (?P<result>.*))$")
RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<args>.*?)\) += (?P<result>.*)$")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
MARK = re.compile(rb"<proof \d+>")
PATH = re.compile(r"\d+<((?:\\x[0-9a-f]{2})*)")


def strace(trace: Path, inject: str = "") -> list[str]:
    """What to put before a command to have it traced; the command stays the child of whoever starts it.

    `inject` does something to its system calls besides, as with `injected`.
    """
    also = f",{inject.partition(':')[0]}" if inject else ""
    options = ["-y", "-xx", "-s", "10000000", "-o", f"{trace}"]
    return _strace(f"{FILES},{SOCKETS}{also}", inject, *options)


def injected(inject: str, on: Path | None = None) -> list[str]:
    """What to put before a command to have something done to its system calls; nothing is traced, so it is nearly as fast.

    `inject` is in strace's words: `fdatasync:error=EIO:when=3`, counted by thread, and with `on` among those alone that use
    this file.
    """
    options = [] if on is None else ["-P", f"{on}"]
    return _strace(inject.partition(":")[0], inject, "-o", "/dev/null", *options)


def _strace(calls: str, inject: str, *options: str) -> list[str]:
    command = ["strace", "-D", "-f", "-qq", *options, "-e", f"trace={calls}", "-e", "signal=none"]
    if "signal=" not in inject:
        command.append("--seccomp-bpf")  # fast, but keeps injected signals from coming
    return [*command, "-e", f"inject={inject}"] if inject else command


def slow_syncs(seconds: float) -> list[str]:
    """What to put before a command so that each of its syncs takes so much longer, and nothing else."""
    return injected(f"{','.join(sorted(SYNCS))}:delay_enter={seconds * 1e6:.0f}")


@cache
def refusal() -> str:
    """Why nothing can be traced here; empty where it can."""
    done = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], check=False, capture_output=True, text=True
    )
    return done.stderr.strip() or "strace failed" if done.returncode else ""


@dataclass(slots=True)
class Call:
    """One system call. `entered` and `returned` are lines of the trace, which has them in the order of causes."""

    name: str
    entered: int
    path: str = ""  # of the file, or what stands for a socket or pipe
    data: bytes = b""
    number: int = 0  # the last argument: where pwrite64 writes, how long ftruncate leaves a file
    returned: int = 0
    result: int = -1

    @property
    def to_peer(self) -> bool:
        """Whether it sends bytes out of the process, and not into a file."""
        return self.name in SENDS and self.path.startswith("socket:") and len(self.data) > 1


def parse(text: str) -> list[Call]:
    """The calls of a trace, in the order in which they returned."""
    calls = []
    pending: dict[str, Call] = {}
    for number, line in enumerate(text.splitlines()):
        thread, _, rest = line.partition(" ")
        rest = rest.lstrip()
        if resumed := RESUMED.match(rest):
            call = pending.pop(thread)
            result = resumed["result"]
        elif begun := BEGUN.match(rest):
            call = _begin(begun["name"], begun["args"], number)
            if begun["result"] is None:
                pending[thread] = call
                continue
            result = begun["result"]
        else:
            continue  # an exit, or a signal
        call.returned = number
        call.result = int(result.split()[0].split("<")[0]) if result[0] in "-0123456789" else -1
        calls.append(call)
    return calls


def _begin(name: str, args: str, number: int) -> Call:
    path = PATH.match(args)
    data = b"".join(_bytes(found) for found in STRING.findall(args))
    call = Call(name, number, _bytes(path[1]).decode() if path else "", data)
    if name in NAMING:
        call.path = _bytes(STRING.findall(args)[-1]).decode()
    last = args.rpartition(",")[2].strip()
    call.number = int(last) if last.isdigit() else 0
    return call


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def mark(number: int) -> str:
    """A text to be found again in what is written and sent: part of no other one."""
    return f"<proof {number}>"


def marks(data: bytes) -> set[str]:
    """Those in there."""
    return {found.decode() for found in MARK.findall(data)}


def first_with_marks(calls: Iterable[Call]) -> dict[str, Call]:
    """For each mark the first of the calls that has it."""
    found: dict[str, Call] = {}
    for call in calls:
        for each in marks(call.data):
            found.setdefault(each, call)
    return found


def first_sends(calls: Iterable[Call]) -> dict[str, Call]:
    """For each mark the call that first sends it to anybody."""
    sends = [call for call in calls if call.to_peer]
    return first_with_marks(sorted(sends, key=lambda call: call.entered))


def sent_unsynced(calls: Sequence[Call], log: Path) -> list[str]:
    """Which marks left the server before the commit that holds them was on the disk, a line for each.

    The commit is in the log where its last frame has been written: the one whose header has the database's size.
    """
    on_log = [call for call in calls if call.path == f"{log}"]
    writes = [call for call in on_log if call.name == "pwrite64"]
    places = {id(call): place for place, call in enumerate(writes)}
    written = first_with_marks(writes)
    problems = []
    for each, send in first_sends(calls).items():
        committed = each in written and _committed(writes[places[id(written[each])] - 1 :])
        synced = committed and _synced(on_log, committed)
        if not synced:
            problems.append(f"{each} was sent, and its commit never synced")
        elif synced.returned >= send.entered:
            problems.append(f"{each} was sent in line {send.entered}, synced in {synced.returned}")
    return problems


def _committed(writes: Sequence[Call]) -> Call | None:
    """The write of the last page of the first commit that ends among these."""
    for header, page in pairwise(writes):
        if len(header.data) == 24 and any(header.data[4:8]):
            return page
    return None


def _synced(on_log: Iterable[Call], write: Call) -> Call | None:
    """The call that put it on the disk."""
    for call in on_log:
        if call.name in SYNCS and call.result == 0 and call.entered > write.returned:
            return call
    return None


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Call] = field(default_factory=list)


class Disk:
    """The files of an SQLite database as calls left them: what was synced is there, of the rest any part may be."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._names = {f"{path.name}{suffix}" for suffix in ("", "-wal", "-journal")}
        self._files: dict[str, _File] = {}

    def take(self, call: Call) -> None:
        """What the call did to the files."""
        path = Path(call.path)
        if call.result < 0 or path.parent != self._folder or path.name not in self._names:
            return
        if call.name == "openat":
            self._files.setdefault(path.name, _File())
        elif call.name in SYNCS:
            file = self._files[path.name]
            for pending in file.pending:
                _apply(file.durable, pending)
            file.pending.clear()
        elif call.name == "unlink":
            self._files.pop(path.name, None)
        elif call.name in ("pwrite64", "ftruncate"):
            self._files[path.name].pending.append(call)

    def cut(self, target: Path, random: Random | None = None) -> None:
        """Write what a power cut now would leave: of each write not synced all, nothing, or some sectors; or nothing of any."""
        for name, file in self._files.items():
            left = bytearray(file.durable)
            for call in file.pending if random else ():
                for piece in _survivors(call, random):
                    _apply(left, piece)
            (target / name).write_bytes(left)


def _survivors(call: Call, random: Random) -> Iterator[Call]:
    lot = random.randrange(3)
    if lot == 0:
        return
    if lot == 1 or call.name == "ftruncate":
        yield call
        return
    for at in range(0, len(call.data), SECTOR):
        if random.random() < 0.5:
            data = call.data[at : at + SECTOR]
            yield Call(call.name, call.entered, data=data, number=call.number + at)


def _apply(content: bytearray, call: Call) -> None:
    if call.name == "ftruncate":
        del content[call.number :]
        content.extend(bytes(call.number - len(content)))
        return
    content.extend(bytes(max(0, call.number - len(content))))
    content[call.number : call.number + len(call.data)] = call.data
