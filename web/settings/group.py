"""The base of all groups of settings, and helpers for their values."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """A group of settings. It refuses unknown keys."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def split(value: object) -> object:
    """A list from comma-separated text, as in an environment variable; any other value unchanged."""
    return [each.strip() for each in value.split(",")] if isinstance(value, str) else value


def is_loopback(host: str | None) -> bool:
    """Whether a host, as given by `urlsplit(...).hostname`, always is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def is_safe_url(url: str, *, plain: bool) -> bool:
    """Whether nobody on the network can read or change data sent there: https, or if `plain` also http within this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    if (
        not (url.isascii() and url.isprintable())
        or " " in url
        or "\\" in url
        or "@" in parts.netloc
    ):
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return plain and parts.scheme == "http" and is_loopback(parts.hostname)


class SettingsError(Exception):
    """Settings that cannot be used. `problems` has one line each: the key, what was given, what is allowed, where."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
