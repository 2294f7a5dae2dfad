"""The command `salon`: what it prints, how it exits, and that it says in one line what went wrong."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog
import trio
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from typer.testing import CliRunner

from salon.actors.store import StoreError
from salon.web import cli
from salon.web.identity.signing import DAY, KeyFileError, Signer, read_key
from salon.web.settings.loading import load
from salon.web.settings.model import Settings
from tests import processes

TOKEN = "a-token-that-nobody-may-see"
HEAVY = ("joserfc", "pydantic", "quart", "rich", "sqlalchemy", "structlog", "trio", "yaml")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A fresh machine: nothing set, an empty data folder."""
    return {"PATH": os.environ["PATH"]} | {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "COLUMNS": "200",
    }


@pytest.fixture
def salon(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command as a process of its own."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        if "PYTHONPATH" in environment:  # another package, which only a new interpreter finds
            command = [sys.executable, "-m", "salon.web.cli", *map(str, arguments)]
            return subprocess.run(
                command, env=environment | variables, capture_output=True, text=True, check=False
            )
        return processes.run(arguments, env=environment | variables)

    return run


Run = Callable[..., subprocess.CompletedProcess[str]]


class TestUsage:
    def test_the_version_is_one_line_and_loads_nothing_heavy(self, salon: Run) -> None:
        result = salon("--version")
        assert result.returncode == 0
        assert result.stdout.startswith("salon ")
        assert len(result.stdout.splitlines()) == 1
        code = (
            f"import sys, salon.web.cli; print([name for name in {HEAVY} if name in sys.modules])"
        )
        loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
        assert loaded == "[]\n"

    def test_alone_it_says_what_it_can_do(self, salon: Run) -> None:
        result = salon()
        for command in ("serve", "config", "token", "backup"):
            assert command in result.stdout

    @pytest.mark.parametrize(
        "arguments", [["dance"], ["serve", "--prot", "1"], ["serve", "--port", "x"], ["backup"]]
    )
    def test_wrong_usage_exits_with_2(self, salon: Run, arguments: list[str]) -> None:
        result = salon(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


class TestBadSettings:
    @pytest.mark.parametrize("command", [["serve"], ["config"], ["backup", "to"]])
    def test_each_problem_is_one_line_and_nothing_starts(
        self, salon: Run, tmp_path: Path, command: list[str]
    ) -> None:
        file = tmp_path / "salon.yaml"
        file.write_text("limits:\n  queue_size: many\n  queu_share: 5\n")
        result = salon(*command, "--config", file, SALON_PORT="70000")
        assert result.returncode == 2
        assert result.stdout == ""
        assert sorted(result.stderr.splitlines()) == [
            "salon: limits.queu_share: no such setting; did you mean limits.queue_share?"
            f" (from {file}, line 3)",
            "salon: limits.queue_size: 'many' given, allowed is a whole number"
            f" (from {file}, line 2)",
            "salon: server.port: '70000' given, allowed is at most 65535 (from SALON_PORT)",
        ]
        assert not (tmp_path / "data").exists()

    def test_flags_are_named_as_flags(self, salon: Run) -> None:
        result = salon("serve", "--port", "-1", "--store", "mongo://x", "--host", "")
        assert result.returncode == 2
        assert sorted(result.stderr.splitlines()) == [
            "salon: server.host: '' given, allowed is an address or a host name (from --host)",
            "salon: server.port: -1 given, allowed is at least 0 (from --port)",
            "salon: store.url: 'mongo://x' given, allowed is sqlite:///PATH, postgresql://USER@HOST/DATABASE or memory:"
            " (from --store)",
        ]

    def test_a_missing_file_is_named(self, salon: Run, tmp_path: Path) -> None:
        for arguments, variables, name in [
            (["--config", tmp_path / "none"], {}, "--config"),
            ([], {"SALON_CONFIG": str(tmp_path / "none")}, "SALON_CONFIG"),
        ]:
            result = salon("serve", *arguments, **variables)
            assert result.returncode == 2
            expected = (
                f"salon: {name}: {tmp_path / 'none'} cannot be read: No such file or directory\n"
            )
            assert result.stderr == expected


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """What stands in for the composition root; signals and logs are afterwards as before."""
    root, before = logging.getLogger(), signal.getsignal(signal.SIGTERM)
    handlers, level = root.handlers[:], root.level
    fake: Any = ModuleType("salon.web.app")
    monkeypatch.setitem(sys.modules, "salon.web.app", fake)
    monkeypatch.setattr("salon.web.app", fake, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    yield fake
    signal.signal(signal.SIGTERM, before)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


Serving = Callable[[Settings], Awaitable[object]]


def served(app: Any, serving: Serving, *arguments: object) -> Any:
    """The result of `salon serve` with this in place of the server."""

    async def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
        await serving(settings)
        announce(f"http://{settings.server.host}:{settings.server.port}")

    app.serve = serve
    return CliRunner().invoke(cli.app, ["serve", *map(str, arguments)])


class TestServe:
    def test_it_says_where_it_listens_and_exits_with_0_once_drained(self, app: Any) -> None:
        async def serving(settings: Settings) -> None:
            await trio.lowlevel.checkpoint()

        result = served(app, serving)
        assert (result.exit_code, result.stdout) == (
            0,
            "Salon listening on http://127.0.0.1:8000\n",
        )
        assert result.stderr == ""

    def test_flags_reach_the_server(self, app: Any) -> None:
        seen: list[Settings] = []

        async def serving(settings: Settings) -> None:
            seen.append(settings)

        assert (
            served(app, serving, "--port", 5, "--host", "::1", "--store", "memory:").exit_code == 0
        )
        assert (seen[0].server.port, seen[0].server.host, seen[0].store.path) == (5, "::1", None)

    @pytest.mark.parametrize(
        ("error", "line"),
        [
            (StoreError("the disk\nis full"), "the disk is full"),
            (KeyFileError("run chmod 600 key"), "run chmod 600 key"),
            (FileNotFoundError(2, "No such file", "cert.pem"), "cert.pem: No such file"),
            (OSError(28, "No space left on device"), "No space left on device"),
            (
                PermissionError(13, "Permission denied"),
                "port 8000 is not open to this user: choose one above 1023 with --port",
            ),
        ],
    )
    def test_what_an_operator_can_mend_is_one_line(
        self, app: Any, error: Exception, line: str
    ) -> None:
        async def serving(_: Settings) -> None:
            async with trio.open_nursery():
                raise error  # as trio gives it: in a group

        result = served(app, serving)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"salon: {line}\n")

    def test_a_port_in_use_is_named(self, app: Any) -> None:
        async def serving(settings: Settings) -> None:
            await trio.open_tcp_listeners(settings.server.port, host=settings.server.host)

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            result = served(app, serving, "--port", port)
        assert result.exit_code == 1
        assert result.stderr == f"salon: port {port} is in use: choose another with --port\n"

    def test_the_file_that_tls_cannot_use_is_named(self, salon: Run, tmp_path: Path) -> None:
        authority = trustme.CA()
        one, other = (authority.issue_cert("127.0.0.1") for _ in range(2))
        chain, key, wrong = (tmp_path / name for name in ("cert.pem", "key.pem", "other.pem"))
        locked, none = tmp_path / "locked.pem", tmp_path / "none.pem"
        one.cert_chain_pems[0].write_to_path(chain)
        one.private_key_pem.write_to_path(key)
        other.private_key_pem.write_to_path(wrong)
        unlocked = load_pem_private_key(key.read_bytes(), None)
        password = BestAvailableEncryption(b"secret")
        locked.write_bytes(unlocked.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password))
        for pair, problem in [
            (
                (none, key),
                f"server.tls_certificate: {none} cannot be read: No such file or directory",
            ),
            ((chain, none), f"server.tls_key: {none} cannot be read: No such file or directory"),
            ((chain, wrong), "do not belong together"),
            ((key, chain), "are no PEM files without a password"),
            ((chain, locked), "are no PEM files without a password"),
        ]:
            names = ("SALON_SERVER__TLS_CERTIFICATE", "SALON_SERVER__TLS_KEY")
            variables = dict(zip(names, map(str, pair), strict=True))
            result = salon("serve", "--port", 0, "--store", "memory:", **variables)
            assert result.returncode == 1
            assert problem in result.stderr
            assert len(result.stderr.splitlines()) == 1

    @pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
    def test_a_host_that_is_not_ours_is_named(self, app: Any, host: str) -> None:
        async def serving(settings: Settings) -> None:
            await trio.open_tcp_listeners(0, host=settings.server.host)

        result = served(app, serving, "--host", host)
        expected = f"salon: {host} is not an address of this machine: choose another with --host\n"
        assert (result.exit_code, result.stderr) == (1, expected)

    def test_a_bug_keeps_its_traceback(self, app: Any) -> None:
        async def serving(_: Settings) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise ExceptionGroup("both", [OSError(28, "full"), ZeroDivisionError()])

        result = served(app, serving)
        assert isinstance(result.exception, ExceptionGroup)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    @pytest.mark.parametrize("moment", ["importing", "running"])
    def test_a_signal_before_it_serves_ends_it_with_0(
        self, environment: dict[str, str], number: signal.Signals, moment: str
    ) -> None:
        code = f"""
import sys, time, types
import trio
from salon.web import cli
class App(types.ModuleType):
    def __getattr__(self, name):
        if name != "serve": raise AttributeError(name)
        if {moment == "importing"}: print("here", flush=True); time.sleep(60)
        return serve
async def serve(settings, *, announce):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        announce("here")
sys.modules["salon.web.app"] = App("salon.web.app")
sys.argv[1:] = ["serve"]
cli.main()
"""
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "here" in process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")


class TestConfig:
    def test_it_can_be_used_as_a_file_again(self, salon: Run, tmp_path: Path) -> None:
        first = salon("config", SALON_LIMITS__QUEUE_SIZE="7", SALON_STORE="memory:")
        assert first.returncode == 0
        file = tmp_path / "again.yaml"
        file.write_text(first.stdout)
        settings, _ = load(file, environment={})
        assert (settings.limits.queue_size, settings.store.url) == (7, "memory:")
        again = salon("config", "--config", file)
        assert again.returncode == 0
        assert again.stdout.splitlines()[0] == first.stdout.splitlines()[0]

    def test_it_says_where_each_value_came_from(self, salon: Run, tmp_path: Path) -> None:
        file = tmp_path / "salon.yaml"
        file.write_text("server:\n  host: '::1'\n")
        result = salon("config", SALON_CONFIG=str(file), SALON_PORT="5")
        assert f"  host: ::1  # from {file}, line 2\n" in result.stdout
        assert "  port: 5  # from SALON_PORT\n" in result.stdout
        assert "  guests: true  # default\n" in result.stdout

    def test_it_shows_people_and_no_tokens(self, salon: Run, tmp_path: Path) -> None:
        file = tmp_path / "salon.yaml"
        file.write_text(f"auth: {{static_tokens: {{{TOKEN}: {{id: ada, name: Ada}}}}}}")
        result = salon("config", "--config", file)
        assert "# ***: {id: ada, name: Ada, admin: false, type: human}\n" in result.stdout
        assert TOKEN not in result.stdout + result.stderr


class TestToken:
    def test_it_is_signed_with_the_key_of_the_server(self, salon: Run, tmp_path: Path) -> None:
        result = salon("token", "--id", "bot", "--name", "  Bot ", "--agent", "--days", "2")
        assert result.returncode == 0
        (token,) = result.stdout.splitlines()
        key = read_key(tmp_path / "data" / "salon" / "salon.db.key")
        session = Signer(key).read(token)
        assert session is not None
        assert session.participant == ("bot", "Bot", "agent")
        assert not session.admin
        assert session.expires_at - session.issued_at == 2 * DAY

    def test_it_says_so_where_there_was_no_key_yet(self, salon: Run, tmp_path: Path) -> None:
        who = ("token", "--id", "a", "--name", "A", "--store", f"sqlite:///{tmp_path / 'x.db'}")
        key = tmp_path / "x.db.key"
        assert salon(*who).stderr == f"salon: made a new key, {key}: for a server of this store\n"
        assert salon(*who).stderr == ""

    def test_it_lasts_as_long_as_a_session_unless_told(self, salon: Run, tmp_path: Path) -> None:
        store = f"sqlite:///{tmp_path / 'x.db'}"
        result = salon(
            "token", "--id", "a", "--name", "A", "--admin", "--store", store,
            SALON_AUTH__SESSION_DAYS="3",
        )  # fmt: skip
        session = Signer(read_key(tmp_path / "x.db.key")).read(result.stdout.strip())
        assert session is not None
        assert session.admin
        assert session.expires_at - session.issued_at == 3 * DAY

    def test_nobody_gets_one_as_somebody_who_signs_in_with_a_provider(self, salon: Run) -> None:
        provider = {
            "SALON_AUTH__PROVIDERS__HOUSE__ISSUER": "https://id.example",
            "SALON_AUTH__PROVIDERS__HOUSE__CLIENT_ID": "salon",
        }
        refused = salon("token", "--id", "house:ada", "--name", "Ada", **provider)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert salon("token", "--id", "house-2:ada", "--name", "Ada", **provider).returncode == 0

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--id", "a b", "--name", "A"],
            ["--id", "", "--name", "A"],
            ["--id", "a", "--name", "\u200b"],
            ["--id", "a", "--name", "A" * 101],
            ["--id", "a", "--name", "A", "--days", "0"],
            ["--id", "a"],
        ],
    )
    def test_nobody_gets_none(self, salon: Run, arguments: list[str]) -> None:
        result = salon("token", *arguments)
        assert (result.returncode, result.stdout) == (2, "")

    def test_a_memory_store_has_no_key_to_sign_with(self, salon: Run) -> None:
        result = salon("token", "--id", "a", "--name", "A", "--store", "memory:")
        assert (result.returncode, result.stdout) == (1, "")
        assert "auth.key_file" in result.stderr

    def test_a_key_that_others_can_see_is_refused(self, salon: Run, tmp_path: Path) -> None:
        path = tmp_path / "key"
        read_key(path)
        path.chmod(0o644)
        result = salon("token", "--id", "a", "--name", "A", SALON_AUTH__KEY_FILE=str(path))
        assert (result.returncode, result.stdout) == (1, "")
        expected = f"salon: the key file {path} is open to other users: run chmod 600 {path}\n"
        assert result.stderr == expected


class TestBackup:
    def test_it_says_what_it_wrote(self, app: Any, tmp_path: Path) -> None:
        seen: list[Settings] = []

        def backup(settings: Settings, path: Path) -> None:
            seen.append(settings)
            path.write_bytes(b"x" * 1234)

        app.backup = backup
        copy = tmp_path / "copy.db"
        result = CliRunner().invoke(cli.app, ["backup", str(copy), "--store", "sqlite:///here.db"])
        assert (result.exit_code, result.stdout) == (0, f"Wrote {copy}, 1,234 bytes\n")
        assert seen[0].store.path == Path("here.db")

    def test_it_overwrites_nothing(self, app: Any, tmp_path: Path) -> None:
        result = CliRunner().invoke(cli.app, ["backup", str(tmp_path)])
        expected = f"salon: {tmp_path} exists already: choose another name\n"
        assert (result.exit_code, result.stderr) == (1, expected)

    def test_a_store_that_cannot_be_read_is_one_line(self, app: Any, tmp_path: Path) -> None:
        def backup(settings: Settings, path: Path) -> None:
            raise StoreError("there is no store at here.db")

        app.backup = backup
        result = CliRunner().invoke(cli.app, ["backup", str(tmp_path / "copy")])
        assert (result.exit_code, result.stderr) == (1, "salon: there is no store at here.db\n")

    def test_what_forgets_cannot_be_kept(self, app: Any, tmp_path: Path) -> None:
        copy = str(tmp_path / "copy")
        result = CliRunner().invoke(cli.app, ["backup", copy, "--store", "memory:"])
        assert result.exit_code == 1
        assert "memory store" in result.stderr


class TestOtherPackages:
    @pytest.fixture
    def salon(self, environment: dict[str, str], salon: Run, tmp_path: Path) -> Run:
        """The command with another package installed beside it."""
        folder = tmp_path / "site"
        information = folder / "other-1.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
        (information / "entry_points.txt").write_text(
            "[salon.commands]\n"
            "hello = other:hello\ntools = other:tools\nconfig = other:hello\n"
            "gone = other.none:app\nquits = quits:app\nwrong = other:NUMBER\n"
        )
        (folder / "quits.py").write_text("raise SystemExit('no')")
        (folder / "other.py").write_text(
            "import typer\n"
            "NUMBER = 5\n"
            "def hello(name: str, loud: bool = False) -> None:\n"
            "    '''Greet somebody.'''\n"
            "    typer.echo(name.upper() if loud else name)\n"
            "tools = typer.Typer()\n"
            "@tools.command()\n"
            "def one() -> None: typer.echo('one')\n"
            "@tools.command()\n"
            "def two() -> None: typer.echo('two')\n"
        )
        path = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{folder}{os.pathsep}{path}" if path else str(folder)
        return salon

    def test_a_function_is_a_command(self, salon: Run) -> None:
        assert salon("hello", "Ada", "--loud").stdout == "ADA\n"

    def test_an_app_is_a_group_of_commands(self, salon: Run) -> None:
        assert salon("tools", "two").stdout == "two\n"

    def test_they_are_listed_behind_ours(self, salon: Run) -> None:
        listed = salon("--help").stdout
        assert listed.index("backup") < listed.index("hello")
        assert "Greet somebody." in listed

    def test_they_replace_none_of_ours(self, salon: Run) -> None:
        assert salon("config").stdout.startswith("server:")

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("gone", "other.none:app cannot be loaded: ModuleNotFoundError"),
            ("quits", "quits:app cannot be loaded: SystemExit: no"),
            ("wrong", "other:NUMBER cannot be loaded: "),
        ],
    )
    def test_a_broken_one_says_so_when_it_is_called(
        self, salon: Run, name: str, reason: str
    ) -> None:
        result = salon(name, "run", "--fast")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith(f"salon: {reason}")
        assert "Traceback" not in result.stderr

    def test_a_broken_one_harms_no_other(self, salon: Run) -> None:
        assert salon("serve", "--port", "70000").stderr.startswith("salon: server.port: 70000")
        assert salon("hello", "Ada").returncode == 0
