"""Reads a list entry by entry: however long it is, only a window of it is in memory."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from .entry import Entry, parse_entry, shown
from .errors import BadListError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_WINDOW = 128 * 1024
#: One entry is a few hundred characters; those that carry a kernel's configuration, some 300,000.
_LONGEST_ENTRY = 8 * 1024 * 1024
_BLANKS = re.compile(r"[ \t\n\r]*")
_AGAIN = "fetch the list again"


def read_entries(stream: BinaryIO, name: str) -> Iterator[Entry]:
    """Give the entries of a kernel-crawler list in their order; ``name`` is for messages.

    Both shapes are understood, that of 2022 and today's: they differ in the spelling of keys,
    which is not looked at here, and in the type of ``kernelversion``.

    Raises BadListError at the first thing that is not as it must be.
    """
    text = _Text(stream, name)
    text.expect("{", 'an object such as {"ubuntu": []} at the top')
    seen: set[str] = set()
    count = 0
    if not text.take("}"):
        while True:
            key = text.key()
            if key in seen:
                text.refuse(f"the key {key!a} stands twice; {_AGAIN}")
            seen.add(key)
            for entry in _section(text, key):
                count += 1
                yield entry
            if not text.take(","):
                break
        text.expect("}", "a comma or the end of the object")
    text.end()
    if not count:
        text.refuse(f"holds no entry, so the crawl behind it failed; {_AGAIN} later")


def _section(text: _Text, key: str) -> Iterator[Entry]:
    name = shown(key)
    text.expect("[", f"a list of entries below {key!a}")
    if text.take("]"):
        return
    for index in itertools.count():
        place = f"{name}[{index}]"
        content = text.object(place)
        try:
            yield parse_entry(content, place)
        except ValueError as error:
            text.explain(str(error), content)
        if not text.take(","):
            break
    text.expect("]", f"a comma or the end of the list {key!a}")


class _Text:
    """A window on the text of a stream that moves forward only."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._parse = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def take(self, mark: str) -> bool:
        """Pass over blanks and, if it comes next, the mark."""
        while True:
            at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]  # always matches
            if at < len(self._text) or not self._more():
                break
        self._at = at
        if self._text.startswith(mark, at):
            self._at = at + 1
            return True
        return False

    def expect(self, mark: str, what: str) -> None:
        """Pass over the mark, which must come next."""
        if self.take(mark):
            return
        found = self._text[self._at : self._at + 1]
        if not found:
            self.refuse(f"ends in the middle, expected {what}; {_AGAIN}")
        if found == "<":
            self.refuse("this is HTML, not JSON; give the address of list.json itself")
        self.refuse(f"expected {what}, found {found!a}; {_AGAIN}")

    def key(self) -> str:
        """Pass over a key and its colon."""
        self.take('"')
        self._at -= 1
        if self._text[self._at : self._at + 1] != '"':
            self._at += 1
            self.refuse(f"expected a key in double quotes; {_AGAIN}")
        key: str = self._value()
        self.expect(":", f"a colon after {key!a}")
        return key

    def object(self, place: str) -> dict[str, Any]:
        """Pass over an object and return it."""
        if not self.take("{"):
            self.expect("{", f"an object at {place}")
        self._at -= 1
        content: dict[str, Any] = self._value()
        return content

    def end(self) -> None:
        """Refuse anything but blanks."""
        self.take("\0")
        if self._at < len(self._text):
            self.refuse(f"something follows the end of the list; {_AGAIN}")

    def explain(self, message: str, content: dict[str, Any]) -> NoReturn:
        """Refuse an entry, with a hint when it is of another kind of file."""
        if "distroversion" in content and "kernelversion" not in content:
            message = "this is a kernels.json, not a list of kernel-crawler; give it as --kernels"
        self.refuse(message)

    def refuse(self, message: str) -> NoReturn:
        """Raise BadListError with the file and the line."""
        line = self._line + self._text.count("\n", 0, self._at)
        raise BadListError(f"{self._name}: line {line}: {message}")

    def _value(self) -> Any:
        """Return the text or object that begins here, reading on until it is whole."""
        while True:
            try:
                value, self._at = self._parse(self._text, self._at)
            except json.JSONDecodeError as error:
                # What fails may only be cut off at the end of the window.
                if len(self._text) - self._at < _LONGEST_ENTRY and self._more():
                    continue
                self._at = max(self._at, min(error.pos, len(self._text)))
                self.refuse(f"not JSON ({error.msg}); {_AGAIN}")
            except (RecursionError, ValueError) as error:
                self.refuse(f"cannot be read ({error}); {_AGAIN}")
            return value

    def _more(self) -> bool:
        """Move the window on; False at the end of the stream."""
        if self._ended:
            return False
        try:
            block = self._stream.read(_WINDOW)
            new = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            self._at = len(self._text)
            self.refuse(f"not text in UTF-8; {_AGAIN}")
        self._ended = not block
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + new
        self._at = 0
        return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
