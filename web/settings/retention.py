"""How long messages are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .group import SettingsGroup


class RetentionSettings(SettingsGroup):
    """How long messages are kept. What is held for legal reasons is kept until it is released."""

    days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """Days after which a message is deleted, as if its sender had deleted it; 0 keeps messages for ever."""
