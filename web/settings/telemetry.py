"""The settings of traces."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from .agent_parts import number
from .group import SettingsGroup


def _endpoint(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s@?#]+", url):
        raise ValueError("https://HOST[:PORT][/PATH], or http in a network that nobody else reads")
    return url.rstrip("/")


class TelemetrySettings(SettingsGroup):
    """OpenTelemetry traces of requests and turns; without an endpoint nothing is traced."""

    otlp_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """Address of a collector that takes OTLP over HTTP, such as http://localhost:4318; needs pip install 'salon[otel]'."""
    sample: Annotated[float, BeforeValidator(number), Field(ge=0, le=1)] = 0.01
    """The part of requests and turns that is traced: each traced one costs about 0.3 ms."""
