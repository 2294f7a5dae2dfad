"""Proxies before a server, with the configuration of docs/deploy: nginx and Caddy, each a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import trustme

from tests.patience import PATIENCE

CADDY_PROGRAM = str(Path(sysconfig.get_path("scripts"), "caddy"))
EXAMPLES = Path(__file__).parents[1] / "docs" / "deploy"
POLL = 0.02  # seconds between two looks at whether a process has begun or ended
# Nothing is written outside of the folder; what else nginx needs is in the example.
NGINX = """
daemon off;
{user}
worker_processes 1;
worker_shutdown_timeout 1s;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/salon.conf;
}}
"""
CADDY = """
{{
    admin unix/{folder}/admin.sock
    http_port {plain}
    storage file_system {folder}
    skip_install_trust
}}
import {example}
"""


class Proxy(Protocol):
    """A proxy that runs. `url` is where it listens, `trust` what its certificate is checked against."""

    url: str
    trust: ssl.SSLContext

    def reload(self) -> None:
        """Have it read its configuration again, and wait until what it was is gone."""

    def stop(self) -> None:
        """End it."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Nginx:
    """nginx from Debian with docs/deploy/nginx.conf, but for names, ports and the idle timeout (seconds)."""

    def __init__(self, folder: Path, upstream: str, *, idle_timeout: int = 60) -> None:
        port = free_port()
        self.url = f"https://localhost:{port}"
        self.trust = ssl.create_default_context()
        authority = trustme.CA()
        authority.configure_trust(self.trust)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
            folder / "both.pem"
        )
        changes = {
            "server 127.0.0.1:8000;": f"server {urlsplit(upstream).netloc};",
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/letsencrypt/live/chat.example.org/fullchain.pem": f"{folder}/both.pem",
            "/etc/letsencrypt/live/chat.example.org/privkey.pem": f"{folder}/both.pem",
            "proxy_read_timeout 60s;": f"proxy_read_timeout {idle_timeout}s;",
        }
        text = (EXAMPLES / "nginx.conf").read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "salon.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""  # else it may not enter the folder
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
        self._process = _start(
            ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")], port
        )

    def reload(self) -> None:
        master = psutil.Process(self._process.pid)
        before = master.children()
        self._process.send_signal(signal.SIGHUP)
        _, alive = psutil.wait_procs(before, timeout=PATIENCE)
        assert not alive

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)


class Caddy:
    """Caddy from PyPI with docs/deploy/Caddyfile; its certificate is from its own authority. The idle timeout is its own."""

    def __init__(self, folder: Path, upstream: str) -> None:
        port = free_port()
        self.url = f"https://localhost:{port}"
        self._folder = folder
        (folder / "Caddyfile").write_text(
            CADDY.format(folder=folder, plain=free_port(), example=EXAMPLES / "Caddyfile")
        )
        self._environment = os.environ | {
            "HOME": str(folder),
            "SALON_SITE": self.url,
            "SALON_UPSTREAM": urlsplit(upstream).netloc,
        }
        self._words = ["--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        self._process = _start([CADDY_PROGRAM, "run", *self._words], port, self._environment)
        root = folder / "pki/authorities/local/root.crt"
        _until(root.exists, self._process)
        self.trust = ssl.create_default_context(cafile=str(root))
        _until(lambda: _is_known(port, self.trust), self._process)  # its certificate comes later

    def reload(self) -> None:
        command = [CADDY_PROGRAM, "reload", "--force", *self._words]
        command += ["--address", f"unix/{self._folder}/admin.sock"]
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)


def _start(
    command: list[str], port: int, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    _until(lambda: _listens(port), process)
    return process


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it did not begin"
        time.sleep(POLL)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_known(port: int, trust: ssl.SSLContext) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
            trust.wrap_socket(plain, server_hostname="localhost").close()
    except OSError:
        return False
    return True
