"""The Grafana dashboard in docs/deploy asks for metrics that a server has, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.person import guests
from tests.server import ServerProcess, api

DASHBOARD = Path(__file__).parents[2] / "docs" / "deploy" / "grafana.json"
NAME = re.compile(r"\b(?:salon|process)_\w+")
OF_PROMETHEUS = {"job", "instance"}  # labels that it adds itself


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def expressions(part: Any) -> Iterator[str]:
    """All queries, those of variables and annotations too."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("expr", "query") and NAME.search(str(value)):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(part, list):
        for each in part:
            yield from expressions(each)


async def test_every_query_is_for_metrics_and_labels_that_there_are(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(MODERATION__RULES='[{"words": ["nothing"], "action": "refuse"}]')
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create()
    await ada.say(conversation_id, "Hello")
    assert not (await bob.call("GET", f"/chat/{conversation_id}/messages")).is_success
    text = (await api(server, "GET", "/metrics")).text
    described = {name.removesuffix("_total") for name in re.findall(r"# TYPE (\S+)", text)}
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    asked: set[str] = set()
    for expression in expressions(dashboard()):
        for name in NAME.findall(expression):
            asked.add(name)
            assert re.sub(r"_(total|sum|count)$", "", name) in described, name
            used = set(re.findall(r"(\w+)=~?\"", expression))
            for group in re.findall(r"by \(([^)]*)\)", expression):
                used |= {each.strip() for each in group.split(",")}
            if name in labels:
                assert used <= labels[name] | OF_PROMETHEUS, expression
    assert len(asked) > 30
    assert {"salon_refusals_total", "salon_moderation_total"} <= asked & labels.keys()


def test_panels_have_places_of_their_own_and_say_what_they_show() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] == "row" or panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
