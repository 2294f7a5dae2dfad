"""The operator's settings: the model, the sources, and the text form."""

from .agent import AgentSettings
from .agent_parts import BudgetSettings, PriceSettings, ToolSettings
from .cluster import ClusterSettings
from .files import FileSettings
from .group import SettingsError, is_safe_url
from .jwt import JwtSettings
from .loading import load
from .model import AuthSettings, LoggingSettings, Settings
from .moderation import ModerationRule, ModerationSettings
from .provider import ProviderSettings, label_of
from .telemetry import TelemetrySettings
from .text import render
from .webhook import CONVERSATIONS, WebhookSettings, webhook_secrets

__all__ = [
    "CONVERSATIONS",
    "AgentSettings",
    "AuthSettings",
    "BudgetSettings",
    "ClusterSettings",
    "FileSettings",
    "JwtSettings",
    "LoggingSettings",
    "ModerationRule",
    "ModerationSettings",
    "PriceSettings",
    "ProviderSettings",
    "Settings",
    "SettingsError",
    "TelemetrySettings",
    "ToolSettings",
    "WebhookSettings",
    "is_safe_url",
    "label_of",
    "load",
    "render",
    "webhook_secrets",
]
