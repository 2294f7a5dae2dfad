"""What an operator may set, where it is read from, and how it is shown."""

from .group import is_safe_url
from .loading import load
from .model import AuthSettings, LoggingSettings, Settings, SettingsError
from .provider import ProviderSettings, label_of
from .text import render

__all__ = [
    "AuthSettings",
    "LoggingSettings",
    "ProviderSettings",
    "Settings",
    "SettingsError",
    "is_safe_url",
    "label_of",
    "load",
    "render",
]
