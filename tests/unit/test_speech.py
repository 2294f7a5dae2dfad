"""What an upstream says, put together from pieces that are cut anywhere."""

from hypothesis import given
from hypothesis import strategies as st

from salon.web.agents.speech import Speech


def halves(text: str) -> list[str]:
    """The UTF-16 units of a text, each as a character of its own."""
    units = text.encode("utf-16-le", "surrogatepass")
    return [chr(int.from_bytes(units[i : i + 2], "little")) for i in range(0, len(units), 2)]


@given(st.text(), st.data())
def test_however_a_text_is_cut_it_is_the_same_text(text: str, data: st.DataObject) -> None:
    units, speech, said = halves(text), Speech(), ""
    while units:
        size = data.draw(st.integers(1, len(units)))
        piece, offset = speech.take("".join(units[:size]))
        del units[:size]
        assert offset == len(said)
        said += piece
    assert said == text


@given(st.lists(st.text(st.characters(categories=["Cs", "Lu"]))))
def test_half_a_character_that_stays_alone_is_replaced(pieces: list[str]) -> None:
    speech = Speech()
    for piece in pieces:
        text, _ = speech.take(piece)
        text.encode()
