"""What all groups of settings have in common."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """A group of settings: what it does not know it refuses."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def split(value: object) -> object:
    """A list as an environment variable writes it, with commas; anything else as it is."""
    return [each.strip() for each in value.split(",")] if isinstance(value, str) else value


def is_loopback(host: str | None) -> bool:
    """Whether only this machine can be meant by a host, as `urlsplit(...).hostname` gives it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def is_safe_url(url: str, *, plain: bool) -> bool:
    """Whether nobody on the way can read or change what is sent there: https, or where `plain` http within this machine."""
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
