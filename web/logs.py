"""The log: one stream of lines on stderr, without message texts and credentials.

Everything goes through the standard library's `logging`; structlog only gives the lines their shape. A caller writes
`logger.info("joined %s", conversation_id)`, never a body: in the text itself only what looks like a token is masked.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import structlog
from structlog.stdlib import ProcessorFormatter

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, Processor

    from .settings import LoggingSettings

MASK = "***"

# Keys of message texts and credentials, also with a prefix, as in `last_message_preview`.
PRIVATE_KEY = re.compile(
    r"(?i)(?:.*[_.-])?(?:authorization|body|content|cookies?|credentials?|headers?|metadata|passphrase|password|payload"
    r"|preview|query(?:[_.-]string)?|recovery[_.-]code|secrets?|static[_.-]tokens|tickets?|tokens?)"
)

# Credentials anywhere in a text: a bearer token, a signed token, a parameter, a cookie, a recovery code.
PRIVATE_TEXT = re.compile(
    r"""(?ix)
    (?<=\bbearer\s)\s*[^\s"',;]+
    | \beyJ[\w-]+\.[\w-]+\.[\w-]*
    | (?<=[?&]code=)[^\s&"'#]+ | (?<=[?&]state=)[^\s&"'#]+
    | (?<=[?&]ticket=)[^\s&"'#]+ | (?<=[?&]token=)[^\s&"'#]+ | (?<=[?&]access_token=)[^\s&"'#]+
    | (?<=\bsalon_session=)[^\s;"']+
    | (?<=\bsalon_sign_in=)[^\s;"']+ | (?<=\bsalon_sign_in_[0-9a-f]{12}=)[^\s;"']+
    | \b(?:[0-9A-Z]{4}-){6}[0-9A-Z]{4}\b
    """
)

# Their INFO lines are of no use to operators; the last two would log each header that is sent to a provider.
CHATTY = ("alembic", "hypercorn", "pykka", "httpx2", "httpcore2")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # can forge a line or control a terminal
CONTROL_IN_TRACEBACK = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

FACTS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,  # without local variables, which may hold bodies
]


def configure(settings: LoggingSettings, stream: TextIO | None = None) -> None:
    """Send all loggers of the process to the stream, stderr by default. Call it first; a second call replaces the first."""
    out = stream or sys.stderr
    processors = [
        ProcessorFormatter.remove_processors_meta,
        mask_private,
        _renderer(settings, colors=out.isatty()),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        ProcessorFormatter(
            processors=processors, foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *FACTS]
        )
    )
    structlog.configure(
        processors=[*FACTS, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    root = logging.getLogger()
    for each in root.handlers[:]:
        root.removeHandler(each)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)


def _renderer(settings: LoggingSettings, *, colors: bool) -> Processor:
    if settings.format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=colors)


def mask_private(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that masks private data in a line. It has to be the last one before the renderer."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: object, value: object) -> object:
    if isinstance(key, str) and PRIVATE_KEY.fullmatch(key):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        control = CONTROL_IN_TRACEBACK if key == "exception" else CONTROL
        return PRIVATE_TEXT.sub(MASK, control.sub(_escaped, value))
    if isinstance(value, PurePath | BaseException):
        return _masked(None, str(value))
    if type(value) is dict:
        return {str(inner): _masked(inner, each) for inner, each in value.items()}
    if type(value) in {list, tuple, set, frozenset}:
        return [_masked(None, each) for each in value]  # type: ignore[attr-defined]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return f"<{type(value).__name__}>"  # its repr may contain a message


def _escaped(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
