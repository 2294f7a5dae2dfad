"""Merge patches: whatever the objects, the patch of two makes the second of the first."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from salon.web.admin.patch import apply, difference

values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@settings(deadline=None)
@given(objects, objects)
def test_a_patch_makes_one_object_of_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert apply(before, difference(before, after)) == after


@settings(deadline=None)
@given(objects)
def test_nothing_changed_is_an_empty_patch(same: dict[str, Any]) -> None:
    assert difference(same, same) == {}


def test_a_patch_has_nothing_but_what_changed() -> None:
    before = {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": "gone", "d": None}
    after = {"a": {"x": 1, "y": 3}, "b": [1], "d": 4}
    assert difference(before, after) == {"a": {"y": 3}, "b": [1], "c": None, "d": 4}


def test_null_reads_as_absence() -> None:
    assert apply({"a": 1}, difference({"a": 1}, {"a": None})) == {}
