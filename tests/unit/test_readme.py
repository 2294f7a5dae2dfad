"""What the README and the settings' page say is what is there."""

from pathlib import Path

import pytest

from salon.web.settings.agent import AgentSettings
from salon.web.settings.loading import rows

README = Path(__file__).parents[2] / "README.md"
SETTINGS = README.parent / "docs" / "settings.md"
AGENTS = README.parent / "docs" / "agents.md"


def settings_table() -> str:
    lines = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for row in rows():
        default = {(): "none", None: "none"}.get(
            row.default if not isinstance(row.default, dict) else (), row.default
        )
        description = row.description.replace("|", "\\|")
        lines.append(
            f"| `{row.section}.{row.name}` | `{str(default).lower() if isinstance(default, bool) else default}` | {description} |"
        )
    return "\n".join(lines)


def test_the_settings_table_is_that_of_the_code() -> None:
    if settings_table() not in SETTINGS.read_text():
        pytest.fail(f"put this table into docs/settings.md:\n{settings_table()}")


def agents_table() -> str:
    lines = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for name, field in AgentSettings.model_fields.items():
        default = "required" if field.is_required() else field.get_default()
        if isinstance(default, bool):
            default = str(default).lower()
        shown = (
            "as described"
            if field.default_factory
            else "none"
            if default in ((), None, "")
            else default
        )
        lines.append(f"| `{name}` | `{shown}` | {field.description} |")
    return "\n".join(lines)


def test_the_table_of_an_agents_settings_is_that_of_the_code() -> None:
    if agents_table() not in AGENTS.read_text():
        pytest.fail(f"put this table into docs/agents.md:\n{agents_table()}")


def test_the_two_commands_are_there() -> None:
    text = README.read_text()
    makefile = README.with_name("Makefile").read_text()
    for target in ("serve", "test"):
        assert f"make {target} " in text
        assert f"\n{target}:" in makefile
