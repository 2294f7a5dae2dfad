"""What an upstream says, as text: its pieces may be cut anywhere, and begin or end with half a character."""

from __future__ import annotations


class Speech:
    """The pieces of one answer, each with its offset in code points; `text` is all of it so far."""

    def __init__(self) -> None:
        self.text = ""
        self._half = ""  # the first half of a surrogate pair, until the second comes

    def take(self, piece: str) -> tuple[str, int]:
        """The next text and its offset. Halves of pairs are put together; one that stays alone is replaced."""
        text = self._half + piece
        self._half = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        if not text.isascii():
            pairs = text.encode("utf-16-le", "surrogatepass")
            text = pairs.decode("utf-16-le", "replace")
        offset = len(self.text)
        self.text += text
        return text, offset
