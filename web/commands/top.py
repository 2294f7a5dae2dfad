"""The command `salon top`: the live figures of a running server, in a terminal."""
# ruff: noqa: PLC0415 - `salon --version` loads no HTTP

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .failure import fail
from .options import Config, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx2
    from rich.console import Console

    from .live_view import Reading

FULLEST = 15  # conversations shown
PATIENCE = 10.0  # seconds for an answer


def top(
    url: Annotated[
        str | None, typer.Argument(help="The server; by default as the settings say.")
    ] = None,
    token: Annotated[
        str, typer.Option(envvar="SALON_ADMIN_TOKEN", help="An admin's token.", show_envvar=True)
    ] = "",
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="All figures once, a line each, for scripts.")
    ] = False,
    config: Config = None,
) -> None:
    """Show the live figures of a server, until Ctrl-C. Into a pipe it writes a line for each look."""
    if url is None:
        url = _address(config)
    if not token:
        fail("an admin's token is needed: --token, or the variable SALON_ADMIN_TOKEN", code=2)
    import httpx2
    from rich.console import Console

    from .live_view import lines

    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx2.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
            if once:
                stats = _ask(client, "/admin/stats")
                if isinstance(stats, str):
                    fail(stats)
                typer.echo("\n".join(lines(stats)))
            else:
                _follow(Console(), url, every, lambda: _read(client))
    except KeyboardInterrupt:
        return
    except BrokenPipeError:  # of `salon top | head`
        raise typer.Exit(0) from None


def _address(config: Any) -> str:
    settings, _ = load_settings(config)
    server = settings.server
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)
    scheme = "http" if server.tls_certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{server.port}"


def _follow(console: Console, url: str, every: float, read: Callable[[], Reading | str]) -> None:
    """Show each look, also over a restart of the server; one that does not answer the first time is none."""
    from rich.live import Live

    from .live_view import figures, line, view

    first = read()
    if isinstance(first, str):
        fail(first)
    looks = _looks(first, every, read)
    if not console.is_terminal:
        for now, before, away in looks:
            typer.echo(f"status away  {away}" if away else line(figures(now, before)))
    live = Live(view(url, first, None), console=console, screen=True, auto_refresh=False)
    try:  # not `with`: Ctrl-C while it begins has to give the screen back too
        live.start(refresh=True)
        for now, before, away in looks:
            live.update(view(away or url, now, before), refresh=True)
    finally:
        live.stop()


def _looks(
    now: Reading, every: float, read: Callable[[], Reading | str]
) -> Iterator[tuple[Reading, Reading | None, str]]:
    """The last reading and the one before it, for ever; and why there is no newer one, if there is none."""
    before: Reading | None = None
    away = ""
    while True:
        yield now, before, away
        time.sleep(every)
        found = read()
        if isinstance(found, str):
            away = found
        else:
            before, now, away = now, found, ""


def _read(client: httpx2.Client) -> Reading | str:
    from .live_view import Reading

    fullest = _ask(client, f"/admin/conversations?sort=-depth&limit={FULLEST}")
    stats = _ask(client, "/admin/stats")
    if isinstance(fullest, str):
        return fullest
    if isinstance(stats, str):
        return stats
    return Reading(time.monotonic(), stats, fullest["conversations"])


def _ask(client: httpx2.Client, path: str) -> dict[str, Any] | str:
    """What the server says, or why it says nothing. A token that it does not take ends the command."""
    import httpx2

    try:
        answer = client.get(path)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"{client.base_url} does not answer: {error}"
    if answer.status_code in (401, 403):
        fail("this token is no admin's, or it has ended: `salon token --admin` makes one")
    if not answer.is_success:
        return f"{client.base_url} answers {answer.status_code} to {path}"
    found: dict[str, Any] = answer.json()
    return found
