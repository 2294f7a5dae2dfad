"""`make cluster`: three nodes to try out, over a PostgreSQL and a NATS that begin and end with them. Nothing of it stays."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import webbrowser
from pathlib import Path

import typer

from tests.postgres import Cluster

WORDS = """
{url} opens the page. Any process may be killed, such as by `kill -9 PID`: the others go on, and it is started again.
Ctrl-C ends all.
"""


def main() -> int:
    """Run until Ctrl-C; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--no-browser", action="store_true")
    asked = parser.parse_args()
    typer.echo("starting PostgreSQL, NATS and the nodes ...")
    postgres = Cluster()
    try:
        with tempfile.TemporaryDirectory(prefix="salon-cluster-") as folder:
            return serve(postgres, Path(folder), asked)
    finally:
        postgres.close()


def serve(postgres: Cluster, folder: Path, asked: argparse.Namespace) -> int:
    """`salon serve --processes`, with its data in the folder."""
    command = [sys.executable, "-m", "salon.web.cli", "serve", "--processes", str(asked.nodes)]
    config = folder / "salon.yaml"
    config.write_text(
        f"auth: {{key_file: {folder}/session.key}}\nfiles: {{url: 'file://{folder}/files'}}\n"
    )
    command += [
        f"--config={config}",
        f"--port={asked.port}",
        f"--store={postgres.url()}",
    ]
    # Ctrl-C is for this process, so that the database ends last.
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.terminate())
    assert server.stdout is not None
    line = server.stdout.readline()
    if line:
        typer.echo(line, nl=False)
        url = line.removeprefix("Salon listening on ").split()[0]
        typer.echo(WORDS.format(url=url))
        if not asked.no_browser:
            webbrowser.open(url)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
