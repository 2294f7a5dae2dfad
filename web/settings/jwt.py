"""The settings of JWTs: tokens that another server, such as the backend of a product, signs for its own users."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .group import SettingsGroup, is_safe_url, split

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]
SHARED: frozenset[Algorithm] = frozenset({"HS256"})  # signed and verified with the same secret


def _text(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,500}", text):
        raise ValueError("1 to 500 visible characters, without spaces")
    return text


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise ValueError("the name of an environment variable, such as SALON_JWT_KEY")
    return name


def _url(url: str) -> str:
    if not is_safe_url(url, plain=True) or "#" in url:
        raise ValueError("https://HOST/PATH, or http for this machine")
    return url


Text = Annotated[str, AfterValidator(_text)]


class JwtClaims(SettingsGroup):
    """The names of the claims that say who somebody is. A claim that a token lacks has its default; `id` is required."""

    id: Text = "sub"
    """The participant's id, text."""
    name: Text = "name"
    """The name that others see, text; else the id."""
    admin: Text = "admin"
    """Whether they are an admin, true or false."""
    agent: Text = "agent"
    """Whether they are an agent, true or false."""
    conversations: Text = "conversations"
    """The ids of the only conversations that the token is for, a list; without it, all of the person's."""


class JwtSettings(SettingsGroup):
    """One issuer of JWTs, and how its tokens are verified."""

    issuer: Text
    """The exact `iss` of its tokens."""
    audience: Text
    """What their `aud` is, or has in it: the name of this server at the issuer."""
    algorithms: Annotated[tuple[Algorithm, ...], BeforeValidator(split), Field(min_length=1)]
    """How its tokens are signed: HS256, RS256, ES256, EdDSA; any other way is refused."""
    key_env: Annotated[str, AfterValidator(_variable)] | None = None
    """The environment variable with the secret (HS256, 32 bytes or more) or the public key (PEM, JWK or JWKS)."""
    key_file: Path | None = None
    """The same in a file; SIGHUP reads it again."""
    jwks_url: Annotated[str, AfterValidator(_url)] | None = None
    """The address of the issuer's public keys; fetched when first needed, and again for a key that is new."""
    claims: JwtClaims = Field(default_factory=JwtClaims)
    """{id: sub, name: name, admin: admin, agent: agent, conversations: conversations}: the names of the claims."""

    @model_validator(mode="after")
    def _complete(self) -> JwtSettings:
        if sum(each is not None for each in (self.key_env, self.key_file, self.jwks_url)) != 1:
            raise ValueError("exactly one of key_env, key_file and jwks_url")
        shared = SHARED.intersection(self.algorithms)
        if shared and len(set(self.algorithms)) > 1:
            # Otherwise a token could be signed with a public key as if that were the secret.
            raise ValueError("HS256 alone: a secret and public keys need an entry each")
        if shared and self.jwks_url is not None:
            raise ValueError("key_env or key_file for HS256: a secret is not published")
        return self
