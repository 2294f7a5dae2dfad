"""Logs: one stream of lines, and nothing in them that people wrote or may come in with."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from salon.web import logs
from salon.web.settings.model import LoggingSettings

HIDDEN = "what nobody may read"
BEARER = st.text(st.sampled_from("abcXYZ019-._~+/="), min_size=1).map(lambda text: f"Z9{text}")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def written(
    write: Callable[[logging.Logger], object],
    *,
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["console", "json"] = "json",
) -> str:
    stream = io.StringIO()
    logs.configure(LoggingSettings(level=level, format=format), stream)
    write(logging.getLogger("salon.test"))
    return stream.getvalue()


def line(write: Callable[[logging.Logger], object]) -> dict[str, Any]:
    (only,) = written(write).splitlines()
    return dict(json.loads(only))


def test_a_line_says_what_when_where_and_how_bad() -> None:
    result = line(lambda log: log.warning("room %s is full", 5))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", result.pop("timestamp"))
    assert result == {"event": "room 5 is full", "level": "warning", "logger": "salon.test"}


def test_every_logger_goes_the_same_way() -> None:
    def write(_: logging.Logger) -> None:
        logging.getLogger("hypercorn.error").error("one")
        structlog.get_logger("other").info("two", conversation_id="c")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("three", stacklevel=1)

    one, two, three = map(json.loads, written(write).splitlines())
    assert (one["event"], one["logger"]) == ("one", "hypercorn.error")
    assert (two["event"], two["conversation_id"]) == ("two", "c")
    assert "three" in three["event"]


def test_lines_below_the_level_are_not_written() -> None:
    assert not written(lambda log: log.info("chatter"), level="warning")


def test_configuring_again_replaces_what_was() -> None:
    before = written(lambda log: log.info("first"))
    after = written(lambda log: log.info("second"))
    assert "first" in before
    assert "first" not in after
    assert len(after.splitlines()) == 1


@pytest.mark.parametrize("format", ["console", "json"])
@pytest.mark.parametrize(
    "key",
    [
        "Authorization",
        "authorization",
        "body",
        "content",
        "cookie",
        "headers",
        "last_message_preview",
        "metadata",
        "password",
        "payload",
        "query_string",
        "recovery_code",
        "request.body",
        "session_token",
        "set-cookie",
        "static_tokens",
        "ticket",
        "token",
    ],
)
def test_what_people_wrote_or_come_in_with_is_masked(
    key: str, format: Literal["console", "json"]
) -> None:
    for value in (HIDDEN, [HIDDEN], {"a": HIDDEN}, HIDDEN.encode()):
        extra = {key: value, "outer": {key: value, "list": [{key: value}]}}
        result = written(lambda log, extra=extra: log.info("in", extra=extra), format=format)  # type: ignore[misc]
        assert HIDDEN not in result
        assert key in result


@pytest.mark.parametrize("key", ["conversation_id", "code", "connections", "token_id", "contents"])
def test_other_facts_are_left_alone(key: str) -> None:
    assert line(lambda log: log.info("in", extra={key: "abc"}))[key] == "abc"


@pytest.mark.parametrize("format", ["console", "json"])
@given(BEARER)
def test_what_gives_a_way_in_is_masked_wherever_it_stands(
    format: Literal["console", "json"], token: str
) -> None:
    def write(log: logging.Logger) -> None:
        log.info("Authorization: Bearer %s", token)
        log.info("GET /chat/ws/1?last_sequence_id=5&ticket=%s HTTP/1.1", token)
        log.info("GET /?token=%s", token)
        log.info("said", extra={"error": f"bad BEARER  {token}, sorry"})
        try:
            raise ValueError(f"Bearer {token}")
        except ValueError:
            log.exception("failed")

    result = written(write, format=format)
    assert token not in result
    assert result.count("***") >= 6
    assert "last_sequence_id=5" in result


def test_session_tokens_cookies_and_recovery_codes_are_masked() -> None:
    code = "-".join(["7K2M"] * 7)
    text = f"eyJhbGciOi.eyJzdWIi.c2ln and salon_session=abc.def; and {code} and {code.lower()}"
    text += "; __Host-salon_sign_in_0a1b2c3d4e5f=x.y"
    result = line(lambda log: log.info(text))
    assert result["event"] == (
        "*** and salon_session=***; and *** and ***; __Host-salon_sign_in_0a1b2c3d4e5f=***"
    )


@dataclass
class Post:
    content: str


def test_an_object_is_named_and_not_shown() -> None:
    extra = {"command": Post(HIDDEN), "frame": HIDDEN.encode(), "problem": ValueError("broken")}
    result = line(lambda log: log.info("in", extra=extra))
    assert result["command"] == "<Post>"
    assert result["frame"] == f"<{len(HIDDEN)} bytes>"
    assert result["problem"] == "broken"


@pytest.mark.parametrize("format", ["console", "json"])
def test_a_traceback_shows_no_variables(format: Literal["console", "json"]) -> None:
    def fail(log: logging.Logger) -> None:
        content = HIDDEN
        try:
            raise ValueError(len(content))
        except ValueError:
            log.exception("failed")

    result = written(fail, format=format)
    assert "ValueError" in result
    assert HIDDEN not in result


def test_nobody_can_forge_a_line_or_drive_a_terminal() -> None:
    evil = "Ada\n2026-01-01 [info] all is well\x1b[2J"
    result = written(
        lambda log: log.info("hello %s", evil, extra={"name_": evil}), format="console"
    )
    assert len(result.splitlines()) == 1
    assert "\x1b" not in result
