"""The tool calls of a stream, however its pieces come."""

from __future__ import annotations

import pytest

from salon.web.agents.openai_chunks import LARGEST, CallPiece, Function, ToolCalls
from salon.web.agents.pieces import ToolCall, UpstreamError


def test_pieces_are_put_together_by_their_index_whatever_it_is() -> None:
    calls = ToolCalls()
    for index in (-1, 10**30, -1):
        calls.take([CallPiece(index=index, function=Function(name="pay", arguments="{}"[:1]))])
    assert list(calls.whole()) == [ToolCall("call_0", "pay", "{{"), ToolCall("call_1", "pay", "{")]


@pytest.mark.parametrize("field", ["id", "name", "arguments"])
def test_all_of_a_call_counts_for_its_size(field: str) -> None:
    calls, long = ToolCalls(), "x" * (LARGEST // 4)
    words = {"name": "pay", "arguments": "{}", field: long}
    function = Function(name=words["name"], arguments=words["arguments"])

    def take(index: int) -> None:
        calls.take([CallPiece(index=index, id=words.get("id"), function=function)])

    for index in range(3):
        take(index)
    with pytest.raises(UpstreamError, match="too large"):
        take(3)
