"""Lists are read whole, in a window, and nothing malformed goes through."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.discovery.crawler import BadListError, Entry, read_entries
from kmodbot.discovery.crawler.entry import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = st.text(min_size=1, max_size=30)
ENTRIES = st.fixed_dictionaries(
    {
        "kernelversion": st.one_of(st.text(max_size=20), st.integers()),
        "kernelrelease": TEXT,
        "target": TEXT,
    },
    optional={"headers": st.lists(st.text(max_size=50), max_size=4), "more": TEXT},
)
LISTS = st.dictionaries(st.text(max_size=10), st.lists(ENTRIES, max_size=4), max_size=4).filter(
    lambda content: any(content.values())
)


def read(text: str | bytes) -> list[Entry]:
    return list(
        read_entries(io.BytesIO(text.encode() if isinstance(text, str) else text), "l.json")
    )


def expected(content: dict[str, list[dict[str, Any]]]) -> list[Entry]:
    return [
        Entry(
            f"{shown(key)}[{index}]",
            entry["target"],
            entry["kernelrelease"],
            entry["kernelversion"],
            tuple(entry.get("headers", ())),
        )
        for key, entries in content.items()
        for index, entry in enumerate(entries)
    ]


class Dripping(io.RawIOBase):
    """A stream that gives so many bytes at a time, whatever is asked for."""

    def __init__(self, content: bytes, size: int) -> None:
        self._content = io.BytesIO(content)
        self._size = size

    def read(self, _size: int = -1) -> bytes:
        return self._content.read(self._size)


@given(LISTS, st.sampled_from([None, 2]), st.booleans(), st.integers(1, 40))
def test_a_list_reads_the_same_however_it_is_cut(
    content: dict[str, list[dict[str, Any]]], indent: int | None, ascii_only: bool, size: int
) -> None:
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    stream: Any = Dripping(text.encode(), size)
    assert list(read_entries(stream, "l.json")) == expected(content)


@given(LISTS, st.data())
def test_a_list_that_was_cut_off_is_refused(
    content: dict[str, list[dict[str, Any]]], data: st.DataObject
) -> None:
    text = json.dumps(content)
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(BadListError, match=r"^l\.json: line \d+: "):
        read(text[:cut])


def test_both_generations_are_read() -> None:
    old = '{"CentOS": [{"kernelversion": 1, "kernelrelease": "r", "target": "centos"}]}'
    new = '{"centos": [{"kernelversion": "1", "kernelrelease": "r", "target": "centos"}]}'
    assert [entry.kernelversion for entry in read(old) + read(new)] == [1, "1"]


def test_what_the_al2023_discovery_knows_is_kept() -> None:
    known = '"kmodbot": {"seen_in": ["livepatch"], "devel": "missing"}'
    (entry,) = read(
        f'{{"a": [{{"kernelversion": "1", "kernelrelease": "r", "target": "t", {known}}}]}}'
    )
    assert entry.devel == "missing"


GOOD = '"kernelversion": "1", "kernelrelease": "r", "target": "t"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: ends in the middle"),
        ("[]", "expected an object"),
        ("  <!DOCTYPE html>", "this is HTML, not JSON; give the address of list.json itself"),
        ("{}", "holds no entry"),
        ('{"a": []}', "holds no entry"),
        ("{a: 1}", "expected a key in double quotes"),
        ('{"a" []}', "expected a colon after 'a'"),
        ('{"a": {}}', "expected a list of entries below 'a', found '{'"),
        ('{"a": [1]}', r"expected an object at a\[0\], found '1'"),
        (f'{{"a": [{{{GOOD}}} {{{GOOD}}}]}}', "expected a comma or the end of the list 'a'"),
        (f'{{"a": [{{{GOOD}}},]}}', r"expected an object at a\[1\]"),
        (f'{{"a": [{{{GOOD}}}], "a": []}}', "the key 'a' stands twice"),
        (f'{{"a": [{{{GOOD}}}]}} x', "something follows the end of the list"),
        (f'{{"a": [{{{GOOD}}}]', "ends in the middle"),
        (f'{{"a": [{{{GOOD}, "b": NaN}}]}}', "NaN is not JSON"),
        (f'{{"a": [{{{GOOD}, "b": {"[" * 100_000}', "cannot be read"),
        ('{"a":\n[\n{"x": 1}]}', r"line 3: a\[0\]: 'target' must be a text"),
        ('{"a": [{"target": "t"}]}', r"a\[0\]: 'kernelrelease' must be a text"),
        (
            '{"a": [{"target": "t", "kernelrelease": "r", "kernelversion": true}]}',
            "'kernelversion' must be a text or a whole number",
        ),
        (f'{{"a": [{{{GOOD}, "headers": "h"}}]}}', "'headers' must be a list of addresses"),
        (f'{{"a": [{{{GOOD}, "kmodbot": {{"devel": 1}}}}]}}', r"'kmodbot\.devel' must be"),
        (f'{{"a": [{{{GOOD}, "kmodbot": 1}}]}}', r"'kmodbot\.devel' must be"),
        (
            '{"x86_64": [{"target": "debian", "kernelrelease": "r", "distroversion": "12"}]}',
            "this is a kernels.json, not a list of kernel-crawler; give it as --kernels",
        ),
        (b"\xff\xfe", "not text in UTF-8"),
    ],
)
def test_a_malformed_list_is_refused_with_place_and_remedy(text: str | bytes, message: str) -> None:
    with pytest.raises(BadListError, match=message) as refused:
        read(text)
    assert str(refused.value).startswith("l.json: line ")


class Endless(io.RawIOBase):
    """A list of a hundred megabytes that is never in memory as a whole."""

    def __init__(self, entries: int) -> None:
        self._blocks = self._make(entries)

    def _make(self, entries: int) -> Iterator[bytes]:
        entry = f'{{{GOOD}, "headers": ["{"h" * 900}"]}}'.encode()
        yield b'{"a": [' + entry
        for _ in range(entries // 100):
            yield b",".join([b"", *[entry] * 100])
        yield b"]}"

    def read(self, _size: int = -1) -> bytes:
        return next(self._blocks, b"")


def test_a_hundred_megabytes_are_read_in_a_window() -> None:
    stream: Any = Endless(100_000)
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_entries(stream, "l.json"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 100_001
    assert peak < 4 * 1024 * 1024


def test_an_entry_without_an_end_does_not_fill_the_memory() -> None:
    class Runaway(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            first = b'{"a": [{"b": "' if not self.given else b""
            self.given += size
            return first + b"x" * size

    stream: Any = Runaway()
    with pytest.raises(BadListError, match="not JSON"):
        list(read_entries(stream, "l.json"))
    assert stream.given < 16 * 1024 * 1024
