"""Where settings come from, and what is wrong with them in words.

A flag wins over the environment (`SALON_LIMITS__QUEUE_SIZE`), that over the YAML file, that over the default.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import ValidationError

from .agent import AgentSettings
from .agent_parts import AgentLimits, BudgetSettings, ContextSettings, PriceSettings
from .group import SettingsError, SettingsGroup
from .jwt import JwtSettings
from .model import Settings, StaticIdentity
from .provider import ProviderSettings
from .store import without_password
from .webhook import WebhookSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX, NESTING = "SALON_", "__"
FLAGS = {"server.host": "--host", "server.port": "--port", "store.url": "--store"}
ALIASES = {"SALON_HOST": "server.host", "SALON_PORT": "server.port", "SALON_STORE": "store.url"}
CONFIG = "SALON_CONFIG"
SECTIONS: dict[str, type[SettingsGroup]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, SettingsGroup)
}
KEYS = [f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields]
SECRET = ("auth", "static_tokens")  # what stands below is shown to nobody
PROVIDERS = "auth.providers"  # of each, every setting has a key and a place of its own: auth.providers.NAME.issuer
SHOWN = set(ProviderSettings.model_fields) - {"client_secret"}
JWT = "auth.jwt"  # a list, too; a key stands in the wrong place by mistake
SHOWN_OF_JWT = {"issuer", "audience", "algorithms", "jwks_url"}
CLUSTER, NATS = "cluster", "cluster.nats"  # whose addresses may have a password
AGENTS, WEBHOOKS = "agents", "webhooks"  # lists, whose place is that of the whole
LISTS = (AGENTS, WEBHOOKS)
# Keys stand in wrong places by mistake: of an agent only these are shown
SHOWN_OF_AGENTS = {
    "kind",
    "trigger",
    "agents_may_call",
    "steering",
    "default",
    "timeout",
    "first_word_timeout",
}
for group in (ContextSettings, AgentLimits, PriceSettings, BudgetSettings):
    SHOWN_OF_AGENTS |= set(group.model_fields)
SHOWN_OF_WEBHOOKS = {"events", "allow_private"}
MASK = "***"
LONGEST_SHOWN = 80  # characters of a wrong value
YAML_HINT = "a value that ends in a colon or begins with a sign needs quotes"
# Kubernetes sets these beside any service that is called "salon".
SERVICE_LINK = re.compile(r"SALON_(SERVICE_(HOST|PORT)(_.+)?|PORT_\d+_.+)")
KINDS = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "path_type": "a path",
    "tuple_type": "a list",
    "string_type": "text; put quotes around it",
}


class Given(NamedTuple):
    """A value and the place where it stands, as an operator would call it: a flag, a variable, a file's line."""

    value: object
    place: str


class Row(NamedTuple):
    """One setting as documentation shows it; the default is the same on every machine."""

    section: str
    name: str
    default: object
    description: str


def rows() -> Iterator[Row]:
    """Every setting, in the order of the sections."""
    for section, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            default = field.examples[0] if field.examples else field.default
            yield Row(section, name, default, field.description or "")


Found = dict[str, Given]  # by dotted key


def load(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Settings, dict[str, str]]:
    """The settings in force, and for each that is not the default the place where it was given.

    `flags` are values by dotted key; None means not given. Without `config` the variable SALON_CONFIG names the file.
    Raises `SettingsError` with a line for each problem, all of them at once.
    """
    named, place = (config, "--config") if config else (environment.get(CONFIG), CONFIG)
    problems: list[str] = []
    found: Found = read_file(Path(named), place, problems) if named else {}
    found |= read_environment(environment, problems)
    found |= {
        key: Given(value, FLAGS.get(key, "the command line"))
        for key, value in (flags or {}).items()
        if value is not None
    }
    nested: dict[str, Any] = {}
    for key, given in found.items():
        if key in KEYS or key in LISTS or key.startswith(f"{PROVIDERS}."):
            _put(nested, key, given.value)
        else:
            problems.append(_unknown(key, given))
    try:
        settings = Settings(**nested)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise SettingsError(*problems, *(_problem(each, found) for each in details)) from None
    if problems:
        raise SettingsError(*problems)
    return settings, {key: given.place for key, given in found.items()}


def _put(nested: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".", 3)
    for each in sections:
        if not isinstance(nested.get(each), dict):
            nested[each] = {}
        nested = nested[each]
    nested[name] = value


def read_file(path: Path, place: str, problems: list[str]) -> Found:
    """What a YAML file gives; what is wrong with it goes to `problems`. `place` is where the file was named."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        found: Found = {}
        if root is not None and not isinstance(root, yaml.MappingNode):
            problems.append(f"{path}: its sections have to be of {', '.join(SECTIONS)}")
        for key, begin, node in _leaves(root):
            line = f"{path}, line {begin.line + 1}"
            if key in found:
                problems.append(f"{key}: given twice (from {line} and {found[key].place})")
            found[key] = Given(loader.construct_object(node, deep=True), line)
    except OSError as error:
        problems.append(f"{place}: {path} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        problems.append(f"{place}: {path} is not UTF-8 text")
    except ValueError as error:  # such as a date that no calendar has
        problems.append(f"{path}: {error}")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        problems.append(f"{path}, {where}: not YAML: {error.problem}; {YAML_HINT}")
    except yaml.YAMLError:
        problems.append(f"{path}: not YAML: it holds characters that are not allowed")
    else:
        return found
    return {}


def _leaves(root: yaml.Node | None) -> Iterator[tuple[str, yaml.Mark, yaml.Node]]:
    """The nodes of single settings; of a section that is no mapping, the section's own."""
    for key, node in root.value if isinstance(root, yaml.MappingNode) else []:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                yield from _single(f"{key.value}.{name.value}", name.start_mark, value)
        elif node.tag != "tag:yaml.org,2002:null" or key.value not in (*SECTIONS, *LISTS):
            yield str(key.value), key.start_mark, node


def _single(
    key: str, begin: yaml.Mark, node: yaml.Node
) -> Iterator[tuple[str, yaml.Mark, yaml.Node]]:
    """The node itself, or of providers those of each."""
    if _holds_more(key) and isinstance(node, yaml.MappingNode) and node.value:
        for name, value in node.value:
            yield from _single(f"{key}.{name.value}", name.start_mark, value)
    else:
        yield key, begin, node


def _holds_more(key: str) -> bool:
    """Whether what is below has keys of its own."""
    return PROVIDERS in (key, key.rpartition(".")[0])


def read_environment(environment: Mapping[str, str], problems: list[str]) -> Found:
    """What the variables give. An empty one counts as not set; what begins like JSON is read as JSON.

    A name without a double underscore that is not near to any of ours is somebody else's, and left alone. The longer name wins.
    """
    found: Found = {}
    for variable, text in sorted(environment.items(), key=lambda each: each[0].count(NESTING)):
        if not (variable.startswith(PREFIX) and text) or variable == CONFIG:
            continue
        if SERVICE_LINK.fullmatch(variable) or (variable == "SALON_PORT" and "://" in text):
            continue
        key = ALIASES.get(variable) or _key(variable)
        if "." not in key and key not in LISTS:
            near = get_close_matches(variable, [*ALIASES, CONFIG, *map(_variable, KEYS)], 1, 0.8)
            problems += [f"{variable}: no such setting; did you mean {each}?" for each in near]
            continue
        as_json = text.lstrip().startswith(("[", "{")) and not key.endswith(".client_secret")
        try:
            value = json.loads(text) if as_json else text
        except ValueError as error:
            problems.append(f"{key}: not JSON: {error} (from {variable})")
        else:
            found |= {each: Given(part, variable) for each, part in _parts(key, value)}
    return found


def _parts(key: str, value: object) -> Iterator[tuple[str, object]]:
    if _holds_more(key) and isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _parts(f"{key}.{name}", part)
    else:
        yield key, value


def _key(variable: str) -> str:
    key = variable.removeprefix(PREFIX).lower().replace(NESTING, ".")
    if not key.startswith(f"{PROVIDERS}."):
        return key
    section, name, provider, *rest = key.split(".", 3)
    return ".".join([section, name, provider.replace("_", "-"), *rest])  # no name has a _ in it


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", NESTING)


def _unknown(key: str, given: Given) -> str:
    if key in SECTIONS:
        return f"{key}: a section with keys of its own is needed here (from {given.place})"
    section, _, name = key.partition(".")
    if section == SECRET[0] and not re.fullmatch("[a-z_]+", name):
        key = f"{section}.{MASK}"  # a token that stands one level too high
    same = [each for each in KEYS if each.endswith(f".{name or key}")]
    near = same or get_close_matches(key, KEYS if name else SECTIONS, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; sections are {', '.join(SECTIONS)}"
    return f"{key}: no such setting{hint} (from {given.place})"


def _problem(error: ErrorDetails, found: Found) -> str:
    """One line: which key, what was given, what is allowed, where it stands."""
    location = [str(each) for each in error["loc"]]
    if not location:  # a rule for several sections
        location = [CLUSTER if "cluster.nats" in error["msg"] else AGENTS]
    given = _given(location, found)
    shown = "" if isinstance(error["input"], dict) else f"{error['input']!r} given, "
    known: Iterable[str] = StaticIdentity.model_fields
    if tuple(location[:2]) == SECRET:
        location[2:3] = [MASK] * len(location[2:3])
        shown = f"{MASK} given, "
    elif ".".join(location[:2]) == PROVIDERS:
        known = ProviderSettings.model_fields
        if shown and not SHOWN.intersection(location[3:4]):
            shown = f"{MASK} given, "
    elif ".".join(location[:2]) == JWT:
        known = JwtSettings.model_fields
        if shown and not SHOWN_OF_JWT.intersection(location[3:4]):
            shown = f"{MASK} given, "
    elif location[0] == AGENTS:
        known = AgentSettings.model_fields
        if shown and location[-1] not in SHOWN_OF_AGENTS:
            shown = f"{MASK} given, "
    elif location[0] == WEBHOOKS:
        known = WebhookSettings.model_fields
        if shown and location[-1] not in SHOWN_OF_WEBHOOKS:
            shown = f"{MASK} given, "
    elif ".".join(location[:2]) == NATS:
        shown = f"{MASK} given, "
    elif location == ["store", "url"]:
        shown = without_password(shown)
    if len(shown) > LONGEST_SHOWN:
        shown = f"{shown[:LONGEST_SHOWN]}… given, "
    place = f" (from {given.place})" if given else ""
    key = ".".join(location)
    match error["type"]:
        case "extra_forbidden":
            *others, last = known
            return f"{key}: no such key; there are {', '.join(others)} and {last}{place}"
        case "missing":
            return f"{key}: missing{place}"
    return f"{key}: {shown}allowed is {_allowed(error)}{place}"


def _given(location: list[str], found: Found) -> Given | None:
    """What was given for that key or, where it is missing, for its neighbour."""
    if location[0] in LISTS:
        return found.get(location[0])
    for length in range(len(location), 1, -1):
        key = ".".join(location[:length])
        if key in found:
            return found[key]
        for neighbour, given in found.items():
            if neighbour.startswith(f"{key}."):
                return given
    return None


def _allowed(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "greater_than_equal":
            return f"at least {context['ge']:g}"
        case "less_than_equal":
            return f"at most {context['le']:g}"
        case "literal_error":
            return str(context["expected"])
        case "value_error":
            return str(context["error"])
    return KINDS.get(error["type"], error["msg"])
