"""JSON merge patches (RFC 7396): the difference of two JSON objects as a JSON object."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def difference(before: Object, after: Object) -> Object:
    """The patch that turns `before` into `after`; empty if they are equal.

    The patch sets a removed field to null, so null in `after` means the same as absence. Lists are replaced whole.
    """
    patch: Object = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name not in before:
            patch[name] = value
        elif before[name] != value:
            both = isinstance(before[name], dict) and isinstance(value, dict)
            patch[name] = difference(before[name], value) if both else value
    return patch


def apply(before: Object, patch: Object) -> Object:
    """A new object: `before` with the patch applied."""
    made = dict(before)
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict):
            inner = made.get(name)
            made[name] = apply(inner if isinstance(inner, dict) else {}, value)
        else:
            made[name] = value
    return made
