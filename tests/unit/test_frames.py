"""What a client may send over a WebSocket: right frames, and every way of being wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salon.actors.refusals import Code, Refusal
from salon.web.socket.client_frames import (
    KNOWN_TYPES,
    Frame,
    JoinFrame,
    LeaveFrame,
    MessageFrame,
    PingFrame,
    ReadFrame,
    SyncFrame,
    TypingFrame,
    one_key,
    parse,
)
from salon.web.socket.run_parts import (
    JSON_DEPTH,
    KEY_LENGTH,
    LAST_SEQUENCE,
    METADATA_LENGTH,
    metadata_text,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
BLANK = [
    "",
    " ",
    "\n",
    " \t\r\n",
    "\0\x1f",
    "\u200b\ufeff",
    "\u2800\u3164",
    "\u0301",
    "\u00a0\u2028",
]
ANY_KIND = st.sampled_from(
    ["message", "typing", "read", "sync", "ping", "join", "leave", "error", "", "Message"]
)


def nested(levels: int) -> str:
    """An object so many levels deep."""
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def message(**fields: Any) -> str:
    return json.dumps({"type": "message", "content": "hello"} | fields)


def refused(text: str, code: Code) -> Refusal:
    refusal = parse(text)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.code is code, refusal
    assert "–" not in refusal.text, f"a fact is missing: {refusal.text}"
    for python in ("Value error", "Error", "pydantic", "Traceback", "<class", "dict", "NoneType"):
        assert python not in refusal.text
    return refusal


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('{"type":"message","content":"hello"}', MessageFrame(content="hello")),
        (
            '{"type":"message","content":"x","client_message_id":"k","reply_to":"m","metadata":{"a":1}}',
            MessageFrame(content="x", client_message_id="k", reply_to="m", metadata={"a": 1}),
        ),
        (
            '{"type":"message","content":"x","client_message_id":null,"reply_to":null,"metadata":null}',
            MessageFrame(content="x"),
        ),
        ('{"type":"message","content":" a \\n"}', MessageFrame(content=" a \n")),
        (r'{"type":"message","content":"\u0000.\u200b"}', MessageFrame(content="\0.\u200b")),
        (r'{"type":"message","content":"\ud83d\ude00"}', MessageFrame(content="\U0001f600")),
        ('{"type":"message","content":"😀\u2028"}', MessageFrame(content="😀\u2028")),
        ('{"type":"typing","is_typing":true}', TypingFrame(is_typing=True)),
        ('{"type":"typing","is_typing":false}', TypingFrame(is_typing=False)),
        ('{"type":"read","sequence_id":0}', ReadFrame(sequence_id=0)),
        ('{"type":"read","sequence_id":9007199254740991}', ReadFrame(sequence_id=LAST_SEQUENCE)),
        ('{"type":"sync","last_sequence_id":7}', SyncFrame(last_sequence_id=7)),
        ('{"type":"ping"}', PingFrame()),
        (' \n{ "type" : "ping" }\t', PingFrame()),
    ],
)
def test_right_frames_are_understood(text: str, frame: Frame) -> None:
    assert parse(text) == frame


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (
            '{"type":"message","content":"x","message_id":"k","sites":["a.example"],"mode":"list"}',
            MessageFrame(content="x", message_id="k"),
        ),
        (
            '{"type":"message","content":{"query":" x ","site":"all","mode":"list"},"participant":{}}',
            MessageFrame(content=" x "),
        ),
        (
            '{"type":"message","content":{"query":"\\u00e9"},"message_id":"k","metadata":{"a":1}}',
            MessageFrame(content="é", message_id="k", metadata={"a": 1}),
        ),
        ('{"type":"message","content":"x","message_id":null}', MessageFrame(content="x")),
        ('{"type":"typing","isTyping":true}', TypingFrame(is_typing=True)),
        ('{"type":"typing","isTyping":false}', TypingFrame(is_typing=False)),
        ('{"type":"typing","is_typing":false,"isTyping":true}', TypingFrame(is_typing=False)),
        ('{"type":"join"}', JoinFrame()),
        ('{"type":"join","conversation_id":"c","participant":{}}', JoinFrame(conversation_id="c")),
        ('{"type":"leave","conversation_id":"c"}', LeaveFrame()),
    ],
)
def test_the_words_of_nlweb_are_understood(text: str, frame: Frame) -> None:
    assert parse(text) == frame


@pytest.mark.parametrize(
    ("key", "message_id", "one"),
    [(None, None, None), ("k", None, "k"), (None, "k", "k"), ("k", "k", "k")],
)
def test_a_key_may_have_either_name(
    key: str | None, message_id: str | None, one: str | None
) -> None:
    assert one_key(key, message_id) == one


def test_two_names_for_two_keys_are_no_key() -> None:
    with pytest.raises(ValueError, match="client_message_id and message_id name different keys"):
        one_key("k1", "k2")


@pytest.mark.parametrize("kind", ["message", "typing", "read", "sync", "ping"])
def test_fields_that_are_not_known_are_passed_over(kind: str) -> None:
    needed = {"content": "x", "is_typing": True, "sequence_id": 1, "last_sequence_id": 1}
    frame = parse(json.dumps({"type": kind, **needed, "newer": {"a": [None]}, "id": 5}))
    assert isinstance(frame, Frame)
    assert not hasattr(frame, "newer")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "}",
        "hello",
        '{"type":"ping"',
        '{"type":"ping"}x',
        '{"type":"ping"}{"type":"ping"}',
        '{"type":"ping",}',
        "{'type':'ping'}",
        '{type:"ping"}',
        '\ufeff{"type":"ping"}',
        '{"type":"message","content":"a\nb"}',
        '{"type":"message","content":"a\x00b"}',
        r'{"type":"message","content":"\x41"}',
        r'{"type":"message","content":"\u12"}',
        '{"type":"read","sequence_id":01}',
        '{"type":"read","sequence_id":' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"type":"ping","x":' + "[" * 50_000 + "]" * 50_000 + "}",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_is_no_json_is_refused_as_that(text: str) -> None:
    refused(text, Code.INVALID_JSON)


@pytest.mark.parametrize("text", ["[]", "5", "null", '"ping"', "true", '[{"type":"ping"}]', "{}"])
def test_what_is_no_object_with_a_type_has_the_wrong_shape(text: str) -> None:
    refusal = refused(text, Code.INVALID_FORMAT)
    assert refusal.facts in ({"problem": "it is no JSON object"}, {"problem": "it has no type"})


@pytest.mark.parametrize(
    "kind", ["", "Message", "message ", "joined", "error", "pong", 5, None, []]
)
def test_an_unknown_type_is_refused_with_those_that_are_known(kind: object) -> None:
    refusal = refused(json.dumps({"type": kind, "content": "x"}), Code.UNKNOWN_TYPE)
    assert refusal.facts == {"known": KNOWN_TYPES}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"type":"message"}', "content: Field required"),
        (message(content=None), "content: Input should be a valid string"),
        (message(content=5), "content: Input should be a valid string"),
        (message(content=["x"]), "content: Input should be a valid string"),
        *((message(content=blank), "content: is blank") for blank in BLANK),
        (message(client_message_id=""), "client_message_id: String should have at least 1 char"),
        (message(client_message_id="k" * 129), "client_message_id: String should have at most 128"),
        (message(client_message_id=5), "client_message_id: Input should be a valid string"),
        (message(message_id=""), "message_id: String should have at least 1 character"),
        (message(message_id="k" * 129), "message_id: String should have at most 128"),
        (message(message_id=5), "message_id: Input should be a valid string"),
        (message(content={}), "content: Input should be a valid string"),
        (message(content={"query": 5}), "content: Input should be a valid string"),
        (message(content={"query": " \n"}), "content: is blank"),
        (message(content={"query": "x"}, reply_to=""), "content: Input should be a valid string"),
        ('{"type":"typing","isTyping":"true"}', "isTyping: Input should be a valid boolean"),
        ('{"type":"join","conversation_id":5}', "conversation_id: Input should be a valid string"),
        (message(reply_to=""), "reply_to: String should have at least 1 character"),
        (message(reply_to="m" * 129), "reply_to: String should have at most 128 characters"),
        (message(metadata=[]), "metadata: Input should be an object"),
        (message(metadata="{}"), "metadata: Input should be an object"),
        ('{"type":"typing"}', "is_typing: Field required"),
        ('{"type":"typing","is_typing":1}', "is_typing: Input should be a valid boolean"),
        ('{"type":"typing","is_typing":"true"}', "is_typing: Input should be a valid boolean"),
        ('{"type":"read"}', "sequence_id: Field required"),
        ('{"type":"read","sequence_id":-1}', "sequence_id: Input should be greater than or equal"),
        ('{"type":"read","sequence_id":9007199254740992}', "sequence_id: Input should be less"),
        ('{"type":"read","sequence_id":1.5}', "sequence_id: Input should be a valid integer"),
        ('{"type":"read","sequence_id":1.0}', "sequence_id: Input should be a valid integer"),
        ('{"type":"read","sequence_id":1e3}', "sequence_id: Input should be a valid integer"),
        ('{"type":"read","sequence_id":"1"}', "sequence_id: Input should be a valid integer"),
        ('{"type":"read","sequence_id":true}', "sequence_id: Input should be a valid integer"),
        ('{"type":"read","sequence_id":null}', "sequence_id: Input should be a valid integer"),
        ('{"type":"sync","sequence_id":1}', "last_sequence_id: Field required"),
    ],
)
def test_a_wrong_shape_is_refused_by_the_name_of_the_field(text: str, problem: str) -> None:
    refusal = refused(text, Code.INVALID_FORMAT)
    assert str((refusal.facts or {})["problem"]).startswith(problem)


def test_a_refused_message_is_named_by_its_own_key() -> None:
    assert refused(message(content="", message_id="k1"), Code.INVALID_FORMAT).key == "k1"
    assert refused(message(content=5, message_id="k1"), Code.INVALID_FORMAT).key == "k1"
    assert refused(message(content="", client_message_id="k1"), Code.INVALID_FORMAT).key == "k1"
    assert (
        refused(message(content="\ud800", client_message_id="k1"), Code.INVALID_FORMAT).key == "k1"
    )


@pytest.mark.parametrize("key", ["k" * 129, 5, ["k"], None, "\ud800"])
def test_a_key_that_is_none_is_not_said_again(key: object) -> None:
    assert refused(message(content="", client_message_id=key), Code.INVALID_FORMAT).key is None


@pytest.mark.parametrize(
    "text",
    [
        r'{"type":"message","content":"\ud800"}',
        r'{"type":"message","content":"a\udfffb"}',
        r'{"type":"message","content":"\udc00\ud800"}',
        r'{"type":"message","content":"x","metadata":{"\ud800":1}}',
        r'{"type":"ping","newer":"\ud800"}',
        r'{"type":"\ud800"}',
    ],
)
def test_half_a_character_has_the_wrong_shape(text: str) -> None:
    refusal = refused(text, Code.INVALID_FORMAT)
    problem = "a text holds half of a surrogate pair, which is no character"
    assert refusal.facts == {"problem": problem}


@given(st.text() | json_values.map(json.dumps) | st.text(st.sampled_from('{}[]":,\\ud8-1e')))
@example('{"type":{"type":"ping"}}')
@example('{"type":"message","content":"x","metadata":{"a":NaN}}')
def test_no_text_can_do_anything_but_be_understood_or_refused(text: str) -> None:
    frame = parse(text)
    assert isinstance(frame, Frame | Refusal)
    if isinstance(frame, Refusal):
        assert frame.text.encode()


@given(
    ANY_KIND,
    st.dictionaries(
        st.sampled_from(
            [
                "content",
                "client_message_id",
                "message_id",
                "reply_to",
                "metadata",
                "is_typing",
                "isTyping",
                "conversation_id",
                "sequence_id",
                "last_sequence_id",
            ]
        ),
        json_values,
    ),
)
def test_no_object_can_either(kind: str, fields: dict[str, Any]) -> None:
    frame = parse(json.dumps({"type": kind, **fields}))
    if isinstance(frame, MessageFrame):
        content = fields["content"]
        assert frame.content == (content["query"] if isinstance(content, dict) else content)
        assert frame.client_message_id is None or 0 < len(frame.client_message_id) <= KEY_LENGTH
    else:
        assert isinstance(frame, Frame | Refusal)


class TestMetadata:
    @given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
    def test_it_is_kept_as_it_is(self, metadata: dict[str, Any]) -> None:
        try:
            text = metadata_text(metadata)
        except ValueError as problem:
            assert str(problem).startswith("metadata ")  # noqa: PT017  # which it is depends
        else:
            assert text is not None
            assert json.loads(text) == metadata

    def test_none_stays_none(self) -> None:
        assert metadata_text(None) is None
        assert metadata_text({}) == "{}"

    def test_it_may_be_nested_so_deep_and_no_deeper(self) -> None:
        assert metadata_text(json.loads(nested(JSON_DEPTH))) == nested(JSON_DEPTH)
        with pytest.raises(ValueError, match="nested deeper than 32 levels"):
            metadata_text(json.loads(nested(JSON_DEPTH + 1)))
        with pytest.raises(ValueError, match="nested deeper than 32 levels"):
            metadata_text({"a": [json.loads("[" * JSON_DEPTH + "]" * JSON_DEPTH)]})

    def test_it_may_be_so_long_and_no_longer(self) -> None:
        room = METADATA_LENGTH - len('{"a":""}')
        assert metadata_text({"a": "é" * room}) is not None
        with pytest.raises(ValueError, match="has 4097 characters as JSON; at most 4096"):
            metadata_text({"a": "é" * (room + 1)})

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_it_holds_no_number_that_others_could_not_read(self, number: str) -> None:
        frame = parse('{"type":"message","content":"x","metadata":{"a":' + number + "}}")
        assert isinstance(frame, MessageFrame)
        with pytest.raises(ValueError, match="a number that JSON has no word for"):
            metadata_text(frame.metadata)
