"""The operator's settings: every key with its default, its unit and its reason.

`loading.load` fills them from flags, environment and file. `Settings(...)` itself takes only its arguments and the defaults, and
ignores the environment. A description without a meaning of 0 uses that of its section.
"""

from __future__ import annotations

import re
from dataclasses import fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from salon.actors.limits import Limits
from salon.actors.model import Participant, ParticipantType

from ..names import normalise_name
from .agent import AgentSettings, valid_id, valid_name
from .agent_parts import number
from .cluster import ClusterSettings
from .files import FileSettings
from .group import SettingsGroup, split
from .jwt import JwtSettings
from .moderation import ModerationSettings
from .provider import ProviderName, ProviderSettings
from .retention import RetentionSettings
from .store import StoreSettings
from .telemetry import TelemetrySettings
from .webhook import WebhookSettings

HOST_NAME = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _host(host: str) -> str:
    if not HOST_NAME.fullmatch(host):
        try:
            ip_address(host)
        except ValueError:
            raise ValueError("an address or a host name") from None
    return host


def _origin(origin: str) -> str:
    origin = origin.lower().removesuffix("/")
    if origin != "*" and not re.fullmatch(r"https?://[^/\s@?#]+", origin):
        raise ValueError("SCHEME://HOST[:PORT], such as https://chat.example.org, or *")
    return origin


def _public_url(url: str) -> str:
    if "*" in url or not re.fullmatch(r"https?://[^/\s@?#]+", url.lower().removesuffix("/")):
        raise ValueError("SCHEME://HOST[:PORT], such as https://chat.example.org")
    return url.lower().removesuffix("/")


def _network(network: str) -> str:
    try:
        return str(ip_network(network))
    except ValueError:
        raise ValueError("an address or a network, such as 10.0.0.0/8 or ::1") from None


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token.get_secret_value()):
        raise ValueError("a token of letters, digits and -._~+/, as it can stand in a header")
    return token


Count = Annotated[int, BeforeValidator(number), Field(ge=0)]
Amount = Annotated[float, BeforeValidator(number), Field(ge=0)]


class ServerSettings(SettingsGroup):
    """Where the server listens, and for whom."""

    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """Address to listen on; 0.0.0.0 or :: for all addresses of the machine."""
    port: Annotated[int, BeforeValidator(number), Field(ge=0, le=65_535)] = 8000
    """TCP port; 0 picks a free one."""
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(split)
    ] = ()
    """Origins, besides the server's own, whose pages may connect, such as https://chat.example.org; * for all."""
    offline_page: bool = True
    """Whether browsers cache the chat page's own files, so that it also opens offline; false also deletes cached files."""
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """Address for browsers, such as https://chat.example.org; providers redirect to it. With https, cookies are Secure."""
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(split)
    ] = ()
    """Networks, such as 10.0.0.0/8, of proxies that give the client's address and scheme in Forwarded or X-Forwarded-*."""
    tls_certificate: Path | None = None
    """PEM file with the certificate chain, if no proxy ends TLS; requires tls_key."""
    tls_key: Path | None = None
    """PEM file with the certificate's private key."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> ServerSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key together, or neither")
        return self


class StaticIdentity(SettingsGroup):
    """Who a static token stands for."""

    id: Annotated[str, AfterValidator(valid_id)]
    name: Annotated[str, AfterValidator(valid_name)]
    admin: bool = False
    type: ParticipantType = "human"

    @property
    def participant(self) -> Participant:
        """As the conversations show them."""
        return Participant(self.id, normalise_name(self.name) or self.id, self.type)


class AuthSettings(SettingsGroup):
    """Who may come in, and for how long."""

    guests: bool = True
    """Whether anybody may enter as a guest, without signing in."""
    static_tokens: dict[Annotated[SecretStr, AfterValidator(_token)], StaticIdentity] = Field({})
    """Bearer token -> {id, name, admin: false, type: human|agent}; for development, tests and service accounts."""
    providers: dict[ProviderName, ProviderSettings] = Field({})
    """Name -> {issuer, client_id, client_secret, ...}: OpenID Connect providers and GitHub; docs/signing-in.md has all of it."""
    jwt: tuple[JwtSettings, ...] = ()
    """[{issuer, audience, algorithms, key_env | key_file | jwks_url, claims}]: JWTs of your own backend; see tokens.md."""
    session_days: Annotated[int, BeforeValidator(number), Field(ge=1, le=3650)] = 30
    """Days that a session lasts; a guest returns later with the recovery code."""
    key_file: Path | None = None
    """File with the key that signs sessions, mode 0600; by default beside the store, created on the first run."""

    @model_validator(mode="after")
    def _nobody_twice(self) -> AuthSettings:
        for provider in self.providers:
            if any(who.id.startswith(f"{provider}:") for who in self.static_tokens.values()):
                raise ValueError(
                    f"ids in static_tokens that do not begin with {provider}:, as the provider's people do"
                )
        return self


class LimitSettings(SettingsGroup):
    """Limits that protect the server and its users; 0 = off, and for a time in seconds 0 = at once unless it says off."""

    max_participants: Count = 100
    """Members of one conversation; every message is written to each of them."""
    queue_size: Count = 1000
    """Commands waiting in the mailbox of one conversation: about a second of a busy conversation."""
    queue_share: Count = 250
    """Of these commands, the maximum from one participant, so that no participant fills the mailbox alone."""
    max_message_size: Count = 10_000
    """Unicode code points of a message: a long page of text."""
    edit_window: Amount = 0
    """Seconds after it was sent in which a message may be edited by its sender; 0 = off, which is for ever."""
    max_frame_size: Count = 131_072
    """Bytes of a WebSocket frame: the longest message, all emoji and escaped as JSON, has 120,034."""
    max_body_size: Count = 262_144
    """Bytes of an HTTP body: enough for twice the longest message with its metadata."""
    json_depth: Count = 32
    """Levels of nesting in JSON: deeper JSON has no use and costs stack."""
    resume_limit: Count = 1000
    """Events replayed on a socket; beyond it the client pages over HTTP, which costs both sides less."""
    message_rate: Amount = 20
    """Messages a second, per participant and conversation: faster than anybody types; 0 turns the burst off too."""
    message_burst: Count = 100
    """Messages that may arrive at once after a pause, such as those written offline."""
    search_rate: Amount = 5
    """Searches a second, per participant, four seconds' worth at once: as fast as somebody types; each costs some ms."""
    frame_rate: Amount = 0
    """Frames of any kind a second on one socket."""
    conversations_per_hour: Count = 0
    """Conversations that one person may create in an hour."""
    sign_ins_per_hour: Count = 600
    """Sign-ins begun with providers from one network address in an hour: a company behind one address comes in the morning."""
    guests_per_hour: Count = 0
    """Guests that may enter from one network address in an hour; off by default, since a whole company may share an address."""
    connections_per_person: Count = 20
    """Sockets of one person: tabs and devices."""
    connections_per_address: Count = 0
    """Sockets from one network address; off by default, since a whole company may share an address."""
    handshake_timeout: Amount = 10
    """Seconds for a request's headers, the TLS handshake, a pause in a body; a whole body has 1 more per 4,096 bytes; 0 = off."""
    drain_timeout: Amount = 8
    """Seconds for connections to end after SIGTERM; the process exits at most 2 later, since service managers kill after 10."""
    restart_time: Amount = 5
    """Seconds from a drain until the first client reconnects; meanwhile the old process ends and a new one starts."""
    reconnect_rate: Annotated[float, BeforeValidator(number), Field(gt=0)] = 500
    """Clients a second that reconnect after a drain, each at its own time: as many as one process can accept."""
    presence_grace: Amount = 5
    """Seconds without a connection before a participant is shown as offline: a reconnect takes less."""
    presence_interval: Amount = 1
    """Seconds between two presence frames of a conversation; changes in between are sent together."""
    typing_timeout: Amount = 5
    """Seconds until "is typing" ends by itself."""
    run_grace: Amount = 30
    """Seconds that a run waits for its agent, who has no connection, before it ends as interrupted: a restart takes less."""
    run_timeout: Amount = 300
    """Seconds of silence after which a run ends although its agent is connected; 0 = off."""
    open_runs: Count = 10
    """Runs of one agent that may be open in one conversation."""
    file_size: Count = 25_000_000
    """Bytes of a file: a minute of video from a phone, and what mail takes."""
    files_per_message: Count = 10
    """Files of a message: what a person chooses at once."""
    unsent_files: Count = 50
    """Files that one person has uploaded and not sent: five full messages; they are deleted after 25 hours."""
    uploads_per_person: Count = 10
    """Files of one person on their way at once: a full message."""
    file_quota: Count = 1_000_000_000
    """Bytes of all files of one person: some hundred pictures, and no more of a shared disk."""
    picture_pixels: Count = 50_000_000
    """Pixels of a picture: what good cameras take; a small file can claim billions, which would fill the memory of readers."""
    idle_timeout: Amount = 60
    """Seconds that a conversation without readers stays in memory."""
    restarts_per_minute: Count = 5
    """Crashes of one conversation before it is refused for the rest of the minute."""
    heartbeat: Amount = 25
    """Seconds between two pings on a socket: proxies close connections that are silent for 30 or 60; 0 = off."""


class LoggingSettings(SettingsGroup):
    """The log for operators, on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    """The lowest level that is written: debug, info, warning or error."""
    format: Annotated[Literal["console", "json"], BeforeValidator(_lower)] = "console"
    """console for people, json for machines: one object a line."""


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_prefix="SALON_",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: ServerSettings = Field(default_factory=ServerSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    files: FileSettings = Field(default_factory=FileSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    moderation: ModerationSettings = Field(default_factory=ModerationSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    agents: tuple[AgentSettings, ...] = ()
    webhooks: tuple[WebhookSettings, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: pydantic's own readers cannot tell which variable or line a value came from."""
        return (init_settings,)

    @model_validator(mode="after")
    def _no_agent_twice(self) -> Settings:
        ids = [agent.id for agent in self.agents]
        taken = {who.id for who in self.auth.static_tokens.values()}
        for id in ids:
            if ids.count(id) > 1 or id in taken:
                raise ValueError(f"agents with ids of their own; {id} stands for two")
            if any(id.startswith(f"{provider}:") for provider in self.auth.providers):
                raise ValueError(f"ids of agents that are no provider's, as {id} is")
        with_tools = {agent.id for agent in self.agents if agent.kind == "mcp"}
        for agent in self.agents:
            for tools in agent.tools:
                if tools.mcp not in with_tools:
                    raise ValueError(
                        f"an agent of the kind mcp for each of tools; {agent.id} names {tools.mcp}"
                    )
        return self

    @model_validator(mode="after")
    def _no_webhook_twice(self) -> Settings:
        urls = [webhook.url for webhook in self.webhooks]
        if len(set(urls)) < len(urls):
            raise ValueError("webhooks with a url of their own: what was delivered is kept by it")
        return self

    @model_validator(mode="after")
    def _shared_by_all_nodes(self) -> Settings:
        if self.cluster.nats:
            if self.store.kind != "postgresql":
                raise ValueError(
                    "store.url of postgresql://… where cluster.nats is set: all nodes share one database"
                )
            if self.auth.key_file is None:
                raise ValueError(
                    "auth.key_file where cluster.nats is set: all nodes need a copy of the same one"
                )
            if self.files.url is None:
                raise ValueError(
                    "files.url where cluster.nats is set: a bucket, or a folder that all nodes share"
                )
        return self

    @property
    def key_file(self) -> Path | None:
        """The file with the signing key; None where neither it nor anything else outlives the process."""
        beside = self.store.beside
        if self.auth.key_file or beside is None:
            return self.auth.key_file
        return beside.with_name(f"{beside.name}.key")

    @property
    def files_folder(self) -> Path | None:
        """The folder beside the store for files; None where nothing outlives the process."""
        path = self.store.beside
        return None if path is None else path.with_name(f"{path.name}.files")

    def engine_limits(self) -> Limits:
        """The limits that the engine itself watches over."""
        return Limits(**{each.name: getattr(self.limits, each.name) for each in fields(Limits)})
