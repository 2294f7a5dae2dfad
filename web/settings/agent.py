"""The settings of an agent that salon hosts: a model's stream that speaks as a member of conversations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from salon.actors.model import Participant
from salon.actors.triggers import AGENTS_MAY_CALL

from ..names import ID_LENGTH, NAME_LENGTH, is_id, normalise_name
from .agent_parts import (
    AgentLimits,
    BudgetSettings,
    ContextSettings,
    PriceSettings,
    Seconds,
    ToolSettings,
    number,
)
from .group import SettingsGroup, split

Kind = Literal["openai", "azure_openai", "nlweb", "mcp", "echo", "script"]
SITES = 100  # of an agent, as of a conversation
MODELS = ("openai", "azure_openai")


def valid_id(text: str) -> str:
    """An id, or a `ValueError`."""
    if not is_id(text):
        raise ValueError(f"1 to {ID_LENGTH} characters, all visible")
    return text


def valid_name(text: str) -> str:
    """A name, or a `ValueError`."""
    if not 0 < len(normalise_name(text) or "") <= NAME_LENGTH:
        raise ValueError(f"1 to {NAME_LENGTH} characters, some visible")
    return text


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        _ = parts.port  # raises where it is none
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[\x21-\x7e]+", url) or "?" in url or "#" in url:
        raise ValueError("http:// or https://HOST[:PORT][/PATH], without a user or a key in it")
    return url.rstrip("/")


def _variable(name: str) -> str:
    # A key that stands here by mistake is not shown: the value given is masked.
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", name):
        raise ValueError("the name of an environment variable, such as OPENAI_API_KEY")
    return name


Site = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^,\s]+$")]


class AgentSettings(SettingsGroup):
    """One agent."""

    id: Annotated[str, AfterValidator(valid_id)]
    """Its id as a participant; people invite it by this."""
    name: Annotated[str, AfterValidator(valid_name)]
    """Its name as people see and mention it."""
    kind: Kind
    """openai: what speaks as OpenAI does; azure_openai: a deployment; nlweb: an NLWeb server; mcp: tools; echo, script: shows."""
    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """The address above /chat/completions, such as https://api.openai.com/v1, or above /ask; else the server's."""
    command: Annotated[tuple[str, ...], BeforeValidator(split)] = ()
    """Of mcp, in place of endpoint: the program to start and its arguments; it speaks over its input and output."""
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Of openai: the model's name there; of azure_openai: the deployment's."""
    api_version: (
        Annotated[str, Field(pattern="^[0-9A-Za-z.-]{1,40}$", examples=["2024-10-21"])] | None
    ) = None
    """Of azure_openai: the version of its interface, such as 2024-10-21; of nlweb: 0.54 or 0.55, none for the classic one."""
    key_env: Annotated[str, AfterValidator(_variable)] | None = None
    """The environment variable with the endpoint's key; none for endpoints that need no key."""
    token_file: Path | None = None
    """Of openai and azure_openai, in place of key_env: a file with a token that expires, read anew each time; sent as Bearer."""
    sites: Annotated[tuple[Site, ...], BeforeValidator(split), Field(max_length=SITES)] = ()
    """Of nlweb: the sites to ask in conversations that have none of their own; none for all that the server knows."""
    instructions: Annotated[str, Field(max_length=20_000)] = ""
    """What the model is told to be and do, before the conversation."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Of openai and azure_openai: further fields of the request, such as temperature; null leaves a field out."""
    answers: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(split)] = ()
    """Of script: what it says."""
    default: bool = False
    """Whether conversations that are created with enable_ai have it as a member."""
    trigger: Literal["auto", "mention", "always", "never"] = "auto"
    """Which messages it is asked to answer in a conversation that it joins; the owner may change it there."""
    agents_may_call: Annotated[int, BeforeValidator(number), Field(ge=0, le=AGENTS_MAY_CALL)] = 0
    """Messages of agents, without one of a person between, that it still answers."""
    steering: Literal["queue", "restart"] = "queue"
    """What somebody's new message does to the answer they are being given."""
    first_word_timeout: Seconds = 20
    """Seconds until the first word; then the answer has failed."""
    timeout: Seconds = 120
    """Seconds for the whole answer; then it ends with what was said."""
    approval_timeout: Seconds = 120
    """Seconds until a tool call that nobody has approved counts as refused."""
    context: ContextSettings = Field(default_factory=ContextSettings)
    """{messages: 20, tokens: 4000}: how much of the conversation the model is told."""
    limits: AgentLimits = Field(default_factory=AgentLimits)
    """{runs: 4, waiting: 100, output_tokens: 1000, tool_rounds: 8, failures: 5, pause: 30}: what it may use."""
    tools: tuple[ToolSettings, ...] = ()
    """[{mcp: ID, only: [NAME], allow: [NAME]}]: the tools that the model may call; see below."""
    price: PriceSettings | None = None
    """{input: 0.15, output: 0.6, currency: USD}: what a million tokens cost."""
    budgets: tuple[BudgetSettings, ...] = ()
    """[{per: person, every: day, tokens: 100000, money: 1, seconds: 600, runs: 50}]: see below."""

    @property
    def participant(self) -> Participant:
        """As the conversations show it."""
        return Participant(self.id, normalise_name(self.name) or self.id, "agent")

    @model_validator(mode="after")
    def _complete(self) -> AgentSettings:
        if self.kind == "openai" and (self.endpoint is None or self.model is None):
            raise ValueError("endpoint and model, for an agent of the kind openai")
        needed = (self.endpoint, self.model, self.api_version, self.key_env or self.token_file)
        if self.kind == "azure_openai" and None in needed:
            raise ValueError(
                "endpoint, model, api_version and key_env or token_file, for an agent of the kind azure_openai"
            )
        if self.token_file is not None and (self.key_env or self.kind not in MODELS):
            raise ValueError("token_file only in place of key_env, for an agent with a model")
        if self.kind == "mcp" and bool(self.command) == (self.endpoint is not None):
            raise ValueError("either endpoint or command, for an agent of the kind mcp")
        if self.tools and self.kind not in MODELS:
            raise ValueError(f"tools only for an agent of the kinds {' and '.join(MODELS)}")
        if self.price is None and any(each.money is not None for each in self.budgets):
            raise ValueError("price, for a budget of money")
        if self.kind == "nlweb":
            if self.endpoint is None:
                raise ValueError("endpoint, for an agent of the kind nlweb")
            if not re.fullmatch(r"0\.5\d?", self.api_version or "0.5"):
                raise ValueError("api_version 0.54 or 0.55 or none, for an agent of the kind nlweb")
        if self.kind == "script" and not self.answers:
            raise ValueError("answers, for an agent of the kind script")
        return self
