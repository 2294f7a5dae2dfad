"""The settings in force as a YAML file, each with its description and the place where it was given."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from .loading import AGENTS, MASK, NATS, PROVIDERS, SECRET, WEBHOOKS, rows

if TYPE_CHECKING:
    from .model import Settings
    from .provider import ProviderSettings


def render(settings: Settings, places: Mapping[str, str]) -> str:
    """A file that `load` takes. Static tokens and the secrets of providers are left out."""
    lines: list[str] = []
    for row in rows():
        if not lines or f"{row.section}:" not in lines:
            lines.append(f"{row.section}:")
        key, value = f"{row.section}.{row.name}", getattr(getattr(settings, row.section), row.name)
        place = _place(key, places)
        lines += [f"  # {each}" for each in textwrap.wrap(row.description, 96)]
        if (row.section, row.name) == SECRET:
            lines.append(f"  {row.name}: {{}}  # {place}")
            lines += [f"    # {MASK}: {_yaml(who.model_dump())}" for who in value.values()]
        elif key == NATS and any(
            "@" in url for url in value
        ):  # a password, which is shown to nobody
            shown = [f"{url.partition('//')[0]}//{MASK}@{url.rpartition('@')[2]}" for url in value]
            lines.append(f"  # {row.name}: {_yaml(shown)}  # {place}")
        elif key == PROVIDERS and value:
            lines.append(f"  {row.name}:")
            for name, provider in value.items():
                lines += _provider(f"{key}.{name}", name, provider, places)
        else:
            lines.append(f"  {row.name}: {_yaml(value)}  # {place}")
    lines += _agents(settings, _place(AGENTS, places))
    lines += _webhooks(settings, _place(WEBHOOKS, places))
    return "\n".join(lines) + "\n"


def _agents(settings: Settings, place: str) -> Iterator[str]:
    yield "# The agents that salon hosts, see docs/agents.md"
    if not settings.agents:
        yield f"agents: []  # {place}"
        return
    yield f"agents:  # {place}"
    for agent in settings.agents:
        yield f"  - {_yaml(agent.model_dump(mode='json'))}"


def _webhooks(settings: Settings, place: str) -> Iterator[str]:
    yield "# Who is told of events, see docs/webhooks.md"
    hidden = [webhook for webhook in settings.webhooks if webhook.secret is not None]
    shown = [webhook for webhook in settings.webhooks if webhook.secret is None]
    yield f"webhooks:  # {place}" if shown else f"webhooks: []  # {place}"
    for webhook in shown:
        yield f"  - {_yaml(webhook.model_dump(mode='json', exclude_none=True))}"
    for webhook in hidden:
        masked = webhook.model_dump(mode="json", exclude_none=True) | {"secret": MASK}
        yield f"  # - {_yaml(masked)}"


def _provider(
    key: str, name: str, provider: ProviderSettings, places: Mapping[str, str]
) -> Iterator[str]:
    yield f"    {_yaml(name)}:"
    for field in type(provider).model_fields:
        value, place = getattr(provider, field), _place(f"{key}.{field}", places)
        if field != "client_secret":
            yield f"      {field}: {_yaml(value)}  # {place}"
        elif value is not None:
            yield f"      # {field}: {MASK}  # {place}"


def _place(key: str, places: Mapping[str, str]) -> str:
    return f"from {places[key]}" if key in places else "default"


def _yaml(value: object) -> str:
    if isinstance(value, Path):
        value = str(value)
    elif isinstance(value, tuple):
        value = list(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    text = yaml.safe_dump(
        value, allow_unicode=True, default_flow_style=True, sort_keys=False, width=float("inf")
    )
    return text.removesuffix("\n").removesuffix("\n...")
