"""Messages between nodes as bytes: MessagePack of the engine's own types, by their names, and of no others."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import is_dataclass
from functools import cache
from inspect import get_annotations
from typing import Any, get_type_hints

from msgspec import MsgspecError, Raw, msgpack

import salon.actors

from . import wire
from .wire import Named

FORMAT = 1  # changes with everything that another version could not read

_encoder = msgpack.Encoder()
_envelope = msgpack.Decoder(tuple[int, int, str, Raw])


class UnreadableError(Exception):
    """A message that another version has sent, or no node at all."""


def encode(view: int, message: wire.Message) -> bytes:
    """A message with the number of its sender's view."""
    body = Raw(_encoder.encode(message))
    return _encoder.encode((FORMAT, view, type(message).__name__, body))


def decode(data: bytes) -> tuple[int, wire.Message]:
    """The sender's view and the message. Raises `UnreadableError`."""
    try:
        version, view, name, body = _envelope.decode(data)
        if version != FORMAT:
            raise UnreadableError(f"format {version}: this node has {FORMAT}")
        return view, _decoder(name).decode(body)
    except (MsgspecError, KeyError) as error:
        raise UnreadableError(str(error)) from None


def kind_of(data: bytes) -> str:
    """The name of a message's type, for who counts them. Raises `MsgspecError`."""
    return _envelope.decode(data)[2]


def named(value: Any) -> Named:
    """A value whose type the receiver cannot know otherwise."""
    return Named(type(value).__name__, Raw(_encoder.encode(value)))


def value_of(one: Named) -> Any:
    """The value. Raises `UnreadableError`."""
    try:
        return _decoder(one.name).decode(one.body)
    except (MsgspecError, KeyError) as error:
        raise UnreadableError(str(error)) from None


def _decoder(name: str) -> msgpack.Decoder[Any]:
    return decoders()[name]


@cache
def decoders() -> Mapping[str, msgpack.Decoder[Any]]:
    """What reads the named tuples and dataclasses of the engine that travel, by the names of their types.

    Their fields' types are names that only type checkers import. They are looked up here, once, so that bytes are checked
    against them.
    """
    names: dict[str, Any] = {
        "Callable": Callable,
        "Iterable": Iterable,
        "Mapping": Mapping,
        "Raw": Raw,
        "Sequence": Sequence,
    }
    modules = [wire] + [
        importlib.import_module(module.name)
        for module in pkgutil.iter_modules(salon.actors.__path__, "salon.actors.")
        if not module.ispkg
    ]
    found: dict[str, type] = {}
    for module in modules:
        for name, value in vars(module).items():
            is_own = _is_of(module.__name__, value) and names.setdefault(name, value) is value
            if is_own and _travels(value):
                found[name] = value
    for module in modules:  # names of unions and the like
        for name, value in vars(module).items():
            names.setdefault(name, value)
    with ExitStack() as written:  # the types stay as they are written: others read them too
        for each in found.values():
            _resolve(each, names, written)
        read = {name: _decoder_of(each) for name, each in found.items()}
    return {name: decoder for name, decoder in read.items() if decoder is not None}


def _decoder_of(kind: type) -> msgpack.Decoder[Any] | None:
    """None for a type that does not travel: a field of it is one of several types that bytes do not tell apart."""
    try:
        return msgpack.Decoder(kind)
    except TypeError:
        return None


def _is_of(module: str, value: Any) -> bool:
    return isinstance(value, type) and value.__module__ == module


def _travels(kind: type) -> bool:
    return is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def _resolve(kind: type, names: Mapping[str, Any], written: ExitStack) -> None:
    for each in kind.__mro__:
        own = get_annotations(each)
        if own and each.__module__.startswith("salon.actors."):
            own_names = vars(importlib.import_module(each.__module__))
            hints = get_type_hints(each, globalns={**names, **own_names}, include_extras=True)
            written.callback(setattr, each, "__annotations__", own)
            each.__annotations__ = {name: hints[name] for name in own}
