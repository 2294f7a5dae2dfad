"""The settings of a provider: an OpenID Connect server whose people may sign in here."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr, field_validator

from ..names import normalise_name
from .group import SettingsGroup, is_safe_url, split

LABEL_LENGTH = 40  # characters; it stands on a button
KNOWN = {"github": "GitHub", "gitlab": "GitLab", "linkedin": "LinkedIn"}
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # as RFC 6749 writes one


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
        raise ValueError("a name of 1 to 32 characters, each of a-z, 0-9 and -")
    return name


def _issuer(issuer: str) -> str:
    if not is_safe_url(issuer, plain=True) or "?" in issuer or "#" in issuer:
        raise ValueError("https://HOST[/PATH], or http for this machine, as the provider writes it")
    return issuer


def _word(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,500}", text):
        raise ValueError("1 to 500 visible characters")
    return text


def _secret(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("a secret, or no such key at all")
    return secret


def _label(label: str) -> str:
    if not 0 < len(normalise_name(label) or "") <= LABEL_LENGTH:
        raise ValueError(f"1 to {LABEL_LENGTH} characters, some visible")
    return label


def _scope(scope: str) -> str:
    if not SCOPE.fullmatch(scope):
        raise ValueError("a scope's name, without spaces and quotes")
    return scope


def _admin(admin: str) -> str:
    if not admin.strip() or len(admin) > 255:
        raise ValueError("the sub of somebody, or their verified e-mail address")
    return admin


def _claim(entry: str) -> str:
    if not re.fullmatch(r"[^\s=]{1,200}=.{1,200}", entry):
        raise ValueError("CLAIM=VALUE, such as groups=chat-admins")
    return entry


def _domain(domain: str) -> str:
    domain = domain.lower().removeprefix("@")
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)+", domain):
        raise ValueError("a domain of e-mail addresses, such as example.org")
    return domain


ProviderName = Annotated[str, AfterValidator(_name)]


class ProviderSettings(SettingsGroup):
    """One provider."""

    kind: Literal["oidc", "github"] = "oidc"
    """oidc, or github for GitHub's OAuth, whose issuer is https://github.com or that of an Enterprise server."""
    issuer: Annotated[str, AfterValidator(_issuer)]
    """The exact issuer in its tokens; /.well-known/openid-configuration is below it."""
    client_id: Annotated[str, AfterValidator(_word)]
    """The id of this server at the provider."""
    client_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    """The secret for this id; a public client has none."""
    label: Annotated[str, AfterValidator(_label)] | None = None
    """The provider's name on the button."""
    scopes: Annotated[
        tuple[Annotated[str, AfterValidator(_scope)], ...], BeforeValidator(split)
    ] = ("openid", "profile", "email")
    """The scopes that are requested."""
    admins: Annotated[
        tuple[Annotated[str, AfterValidator(_admin)], ...], BeforeValidator(split)
    ] = ()
    """The people who are admins here: by `sub`, or with an @ by an e-mail address that the provider has verified."""
    admin_claims: Annotated[
        tuple[Annotated[str, AfterValidator(_claim)], ...], BeforeValidator(split)
    ] = ()
    """CLAIM=VALUE: who has this claim, or this value in the list that it is, is an admin here, such as groups=chat-admins."""
    domains: Annotated[
        tuple[Annotated[str, AfterValidator(_domain)], ...], BeforeValidator(split)
    ] = ()
    """Only people with a verified e-mail address in one of these domains may enter; none: everybody known to the provider."""

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError("a list with openid in it")
        return scopes


def label_of(name: str, provider: ProviderSettings) -> str:
    """The text on the button after "Continue with"."""
    if provider.label is not None:
        return normalise_name(provider.label) or name
    words = name.replace("-", " ").strip() or name
    return KNOWN.get(name) or words[:1].upper() + words[1:]
