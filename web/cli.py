"""The command `salon`. Each command imports the heavy modules that it needs, so that `salon --version` is fast.

Exit codes: 0 done, or drained after SIGTERM or Ctrl-C; 1 store, key, file or network refused; 2 wrong usage or settings.
"""
# ruff: noqa: PLC0415 - imports inside the commands are the point

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from .commands.failure import fail, in_one_line
from .commands.options import Config, Store, file_of, load_settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS = "salon.commands"  # the entry-point group in which other packages offer subcommands
# Commands with a module of their own: its name, and the function or typer app in it.
OWN: dict[str, str] = {
    "doctor": "salon.web.commands.doctor:doctor",
    "export": "salon.web.commands.transfer:export_store",
    "import": "salon.web.commands.transfer:import_store",
    "keys": "salon.web.commands.keys:keys",
    "migrate": "salon.web.commands.migrate:migrate",
    "restore": "salon.web.commands.restore:restore",
    "top": "salon.web.commands.top:top",
    "upgrade": "salon.web.commands.upgrade:upgrade",
}


class Commands(TyperGroup):
    """The built-in commands, and those of other packages, which are loaded when they are called or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, those of built-in commands first."""
        own: list[str] = super().list_commands(ctx)
        return own + sorted(_offered().keys() - set(own))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; built-in commands cannot be replaced."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in _offered():
            command = _load(_offered()[cmd_name])
        return command


app = typer.Typer(
    name="salon",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show local variables, including tokens
)


def main() -> None:
    """The console script."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"salon {version('salon')}")
        except PackageNotFoundError:
            typer.echo("salon (not installed)")
        raise typer.Exit


@app.callback()
def salon(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """A concurrent chat engine."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 picks a free one.")] = None,
    store: Store = None,
    config: Config = None,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Processes of this machine that share the work.")
    ] = 1,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start the server; SIGTERM or Ctrl-C drains and ends it."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        flags = {"server.host": host, "server.port": port, "store.url": store}
        settings, _ = load_settings(config, flags)
        if processes > 1:
            from .commands.processes import serve_in_processes

            words = {"--host": host, "--port": port, "--store": store, "--config": config}
            given = [f"{word}={value}" for word, value in words.items() if value is not None]
            code = in_one_line(settings, lambda: serve_in_processes(processes, settings, given))
            raise typer.Exit(code)
        from . import logs

        logs.configure(settings.logging)
        import trio

        from .app import serve as serve_until_drained

        announced = partial(serve_until_drained, settings, announce=_announce)
        if listen_fd is not None:
            announced = partial(announced, listen_fd=listen_fd)
        in_one_line(settings, lambda: trio.run(announced))
    except KeyboardInterrupt:
        return  # raised before `serve` handled signals: nothing was accepted, so nothing has to drain


@app.command("config")
def show_config(config: Config = None) -> None:
    """Show the settings in force, as a file for --config, and where each came from."""
    from .settings import render

    typer.echo(render(*load_settings(config)), nl=False)


@app.command()
def token(
    identity: Annotated[str, typer.Option("--id", help="Participant id; no spaces.")],
    name: Annotated[str, typer.Option(help="Name as shown in conversations.")],
    admin: Annotated[bool, typer.Option("--admin", help="With the rights of an admin.")] = False,
    agent: Annotated[bool, typer.Option("--agent", help="An agent, not a human.")] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Life; else auth.session_days.")
    ] = None,
    store: Store = None,
    config: Config = None,
) -> None:
    """Print a token for a participant, signed with the server's key."""
    settings, _ = load_settings(config, {"store.url": store})
    from salon.actors.model import Participant

    from .identity import Session, Signer, read_key
    from .names import ID_LENGTH, NAME_LENGTH, is_id, normalise_name
    from .sources import system_sources

    shown = normalise_name(name)
    if not shown or len(shown) > NAME_LENGTH:
        raise typer.BadParameter(f"1 to {NAME_LENGTH} visible characters", param_hint="--name")
    if not is_id(identity):
        raise typer.BadParameter(f"1 to {ID_LENGTH} visible characters", param_hint="--id")
    if any(identity.startswith(f"{provider}:") for provider in settings.auth.providers):
        raise typer.BadParameter("this is how a provider's people begin", param_hint="--id")
    if settings.key_file is None:
        fail("sessions of a memory store end with its process: set auth.key_file, or --store")
    sources = system_sources()
    is_new = not os.access(settings.key_file, os.F_OK)  # exists() may raise
    key = in_one_line(settings, lambda: read_key(settings.key_file, sources.entropy))
    if is_new:  # for example after a mistyped --store, whose tokens no server accepts
        typer.echo(
            f"salon: made a new key, {settings.key_file}: for a server of this store", err=True
        )
    who = Participant(identity, shown, "agent" if agent else "human")
    lifetime = days or settings.auth.session_days
    session = Session.begin(who, sources, days=lifetime, admin=admin)
    typer.echo(Signer(key).sign(session))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The copy to make; it must not exist.")],
    store: Store = None,
    config: Config = None,
) -> None:
    """Copy the store into a file, whole and consistent, also while a server uses it."""
    settings, _ = load_settings(config, {"store.url": store})
    file_of(
        settings,
        in_memory="a memory store cannot be backed up: name another with --store",
        in_postgres="a database of PostgreSQL is backed up with its own means, such as pg_dump: see docs/postgresql.md",
    )
    if file.exists():
        fail(f"{file} exists already: choose another name")
    from .app import backup as copy_store

    in_one_line(settings, lambda: copy_store(settings, file))
    typer.echo(f"Wrote {file}, {file.stat().st_size:,} bytes")


def _announce(url: str) -> None:
    typer.echo(f"Salon listening on {url}")  # echo flushes


@cache
def _offered() -> dict[str, EntryPoint]:
    from importlib.metadata import EntryPoint, entry_points

    offered = {entry.name: entry for entry in entry_points(group=COMMANDS)}
    return offered | {name: EntryPoint(name, where, COMMANDS) for name, where in OWN.items()}


def _load(entry: EntryPoint) -> Any:
    """A typer app or function of another module. If loading fails, calling it reports that; others still work."""
    try:
        found = entry.load()
        if not isinstance(found, typer.Typer):
            found = _app_of(found)
        command: Any = typer.main.get_command(found)
    except (Exception, SystemExit) as error:
        command = _broken(f"{entry.value} cannot be loaded: {type(error).__name__}: {error}")
    command.name = entry.name
    return command


def _app_of(function: Callable[..., Any], **attributes: Any) -> typer.Typer:
    alone = typer.Typer(add_completion=False)
    alone.command(**attributes)(function)
    return alone


def _broken(problem: str) -> Any:
    def say() -> None:
        fail(problem)

    anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    return typer.main.get_command(_app_of(say, help=problem, context_settings=anything))


if __name__ == "__main__":
    main()
