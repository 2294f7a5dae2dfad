"""The one form of each emoji, on the server and in salon.js."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import regex

from salon.web.emoji import canonical_emoji
from tests.node import NODE

SDK = Path(__file__).parents[2] / "web/page/sdk/emoji.ts"
FORMS = [  # the form that is stored, and others of the same
    ("\u2764\ufe0f", "\u2764", "\u2764\ufe0e"),  # a heart
    ("\U0001f44d", "\U0001f44d\ufe0f"),  # a picture without U+FE0F
    ("\U0001f44d\U0001f3fd", "\U0001f44d\ufe0f\U0001f3fd"),
    ("\u26f9\U0001f3fb\u200d\u2642\ufe0f", "\u26f9\ufe0f\U0001f3fb\u200d\u2642"),
    ("\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f3f3\u200d\U0001f308"),  # a flag
    ("1\ufe0f\u20e3", "1\u20e3"),  # a keycap
    ("1", "1\ufe0f"),
    ("\u00e9", "e\u0301"),
    ("\ud55c", "\u1112\u1161\u11ab"),
    ("\U0001f1e9\U0001f1ea",),
    (":tada:",),
]


@pytest.mark.parametrize("forms", FORMS, ids=lambda forms: forms[0])
def test_all_forms_of_an_emoji_become_one(forms: tuple[str, ...]) -> None:
    assert {canonical_emoji(form) for form in forms} == {forms[0]}


def test_salon_js_and_the_server_have_the_same_form_of_every_emoji() -> None:
    every = [chr(code) for code in range(0x1FFFF) if regex.match(r"\p{Emoji}", chr(code))]
    texts = [form for forms in FORMS for form in forms]
    texts += [each + more for each in every for more in ("", "\ufe0f", "\U0001f3fd", "\u20e3")]
    script = (
        f"import {{ canonical }} from {json.dumps(SDK.as_uri())};"
        "import { readFileSync } from 'node:fs';"
        "console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(canonical)));"
    )
    command = [NODE, "--no-warnings", "--input-type=module", "-e", script]
    done = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, timeout=100, check=True
    )
    assert len(every) > 1000
    assert json.loads(done.stdout) == [canonical_emoji(each) for each in texts]
