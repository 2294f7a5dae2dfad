"""Names and titles: what is shown is what is there."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salon.actors.blank import is_blank
from salon.web.names import is_id, normalise_name, normalise_title

# Where rules of this kind break: joiners, marks, fillers, controls, letters that compose in more than one way.
TROUBLE = st.text(
    st.sampled_from(
        "\u200b\u200c\u200d\u200e\u202e\u2060\ufeff\u0301\u0308\u0338\u00a0\u2028\n\x1f\x00\ud800eEa="
        "\u212bकष字\u094d\u093c\u0b47\u0b3e\u1100\u1161\u11a8\u115f\u3164\u2800\ufe0f❤🔥👩🏽💻A "
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada \t Lovelace\n", "Ada Lovelace"),
        ("Zoe\u0308", "Zoë"),  # composed
        ("Ad\x00a\x1b[1m", "Ada[1m"),  # controls
        ("user\u202etxt.exe", "usertxt.exe"),  # text that runs backwards
        ("A\u200bd\u200da\ufeff", "Ada"),  # invisible between letters that do not join
        ("A\ud800da", "Ada"),  # half a character
        ("\u2028Ada\u2029\u00a0L", "Ada L"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian needs the joiner
        ("क्\u200dष", "क्\u200dष"),  # so does Devanagari
        ("👩🏽\u200d💻", "👩🏽\u200d💻"),  # and emoji
        ("🏳️\u200d🌈", "🏳️\u200d🌈"),
        ("\u200d💻\u200d", "💻"),
    ],
)
def test_a_name_is_one_line_of_what_can_be_seen(text: str, name: str) -> None:
    assert normalise_name(text) == name


BLANK = [
    "",
    " ",
    "\n",
    " \n\t\r\x0b\x0c\x1c\x85",
    "\u00a0\u1680\u2003\u2028\u2029\u202f\u3000",
    "\x00\x07\x1b\x7f\x9f",
    "\u00ad\u061c\u180e\u200b\u200e\u202e\u2060\u2064\u2066\ufeff",
    "\u200d\u200c",
    "\u3164\uffa0",
    "\u2800\u115f\u1160\u17b4\u034f",
    "\ufe0f",
    "\U000e0100",
    "\u0301 \u0301",
    "\ud800",
    "\u2065\ufff0\U000e0000\U000e0041\U000e0fff",
    "\U0001d159\U0001bca0",
    " " * 10_000 + "\u200b" * 10_000,
]


@pytest.mark.parametrize("text", BLANK, ids=lambda text: ascii(text[:12]))
def test_what_nobody_can_see_is_no_name_no_title_and_no_message(text: str) -> None:
    assert is_blank(text)
    assert normalise_name(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("a", "0", "!", "~", ".", "é", "字", "؟", "👍", "©", "\ue000", "\U0003fffd", "\ufffd"),
        *(
            "  a",
            "\n\n.\n",
            "\u200b\u200b字",
            "\u200b" * 100 + "字",
            "\n" * 10_000 + "é",
            "e\u0301",
        ),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_what_has_anything_visible_is_not_blank(text: str) -> None:
    assert not is_blank(text)
    assert normalise_name(text) is not None


@given(st.text() | TROUBLE)
def test_a_text_is_blank_where_nothing_of_it_is_a_name(text: str) -> None:
    assert is_blank(text) == (normalise_name(text) is None)


def test_an_emoji_newer_than_python_is_a_name() -> None:
    assert normalise_name("\U0001fae8\U0003fffd") is not None


@given(st.text() | TROUBLE)
@example("e\u200d\u0301\u200d字")
@example("字\u200d\u202e字")
def test_normalising_again_changes_nothing(text: str) -> None:
    name = normalise_name(text)
    assert name is None or normalise_name(name) == name


@given(st.text() | TROUBLE)
def test_a_name_can_be_written_anywhere(text: str) -> None:
    name = normalise_name(text) or "-"
    assert name.encode()
    assert unicodedata.is_normalized("NFC", name)
    assert len(name.splitlines()) == 1
    assert name == " ".join(name.split())
    kinds = {unicodedata.category(each) for each in name if each not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_only_loses_spaces(text: str) -> None:
    assert (normalise_name(text) or "") == " ".join(text.split())


def test_a_title_follows_the_same_rule() -> None:
    assert normalise_title(" The\n plan ") == "The plan"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("ada", True),
        ("https://id.example/ada?x=1", True),
        ("x" * 128, True),
        ("", False),
        ("x" * 129, False),
        ("a b", False),
        ("a\u00a0b", False),
        ("a\nb", False),
        ("a\u202eb", False),
        ("\ud800", False),
    ],
)
def test_an_id_is_one_word_that_can_be_seen_whole(text: str, right: bool) -> None:
    assert is_id(text) is right
