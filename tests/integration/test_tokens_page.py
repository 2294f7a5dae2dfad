"""docs/tokens.md: its settings start a server, its program signs a token for it, its commands do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from salon.web.settings.jwt import JwtSettings
from tests.person import static
from tests.server import ServerProcess

PAGE = Path(__file__).parents[2] / "docs" / "tokens.md"
SECRET = "c2VjcmV0LW9mLXRoZS1zaG9wLWFuZC10aGUtY2hhdA=="


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_what_the_page_says_works(start_server: Callable[..., ServerProcess]) -> None:
    settings: dict[str, Any] = {}
    for text in blocks("yaml"):
        settings |= yaml.safe_load(text)
    server = start_server(
        AUTH__JWT=json.dumps(settings["auth"]["jwt"]).replace(
            "SHOP_CHAT_KEY", "SALON_TEST_SHOP_SECRET"
        ),
        SERVER__TRUSTED_PROXIES=",".join(settings["server"]["trusted_proxies"]),
        TEST_SHOP_SECRET=SECRET,
    )
    (program,) = blocks("python")
    signed = run([sys.executable, "-c", program], SHOP_CHAT_KEY=SECRET)
    ada = static(server, signed, "user-17", "Ada")
    me = {"id": "user-17", "name": "Ada", "admin": False}
    assert await ada.ask("GET", "/auth/me") == me

    issue, revoke, rotate = blocks("bash")
    assert rotate == "salon keys rotate\n"  # tests/security/test_key_rotation.py
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    access = {"URL": server.url, "ADMIN_TOKEN": "admin_token"}
    given = json.loads(run(["sh", "-ec", issue], **access))
    holder = static(server, given["token"], "user-17", "Ada")
    assert await holder.ask("GET", "/auth/me") == me
    run(["sh", "-ec", revoke], **access)
    assert [(await who.call("GET", "/auth/me")).status_code for who in (ada, holder)] == [401, 401]


def test_the_table_of_settings_is_that_of_the_code() -> None:
    text = PAGE.read_text()
    for name, field in JwtSettings.model_fields.items():
        default = "required" if field.is_required() else "none"
        default = "as described" if field.default_factory else default
        assert f"| `{name}` | {default} | {field.description} |" in text
