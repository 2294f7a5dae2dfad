"""How an S3-compatible store is reached."""

from __future__ import annotations

from typing import NamedTuple


class S3Options(NamedTuple):
    """How to reach the store. What is None comes from the environment, as for other S3 clients: AWS_ACCESS_KEY_ID and so on."""

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
