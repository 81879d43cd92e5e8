"""Many texts in little memory: one after another as UTF-8, each made anew when it is asked for."""

from __future__ import annotations

from array import array


class Texts:
    """Texts by number, to which others can be added.

    Example:
        >>> texts = Texts()
        >>> texts.append("밥"), texts.append("")
        >>> texts[0], texts[1], len(texts)
        ('밥', '', 2)
    """

    def __init__(self) -> None:
        self._utf8 = bytearray()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        return self._utf8[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")

    def append(self, text: str) -> None:
        """Add a text."""
        self._utf8 += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._utf8))
