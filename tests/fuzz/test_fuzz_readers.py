"""The command line's readers accept any bytes, or refuse them with their own error."""

from __future__ import annotations

import io
import json

import pytest

pytest.importorskip("click", reason="the readers need it: pip install 'elevenphone[cli]'")

from hypothesis import example, given
from hypothesis import strategies as st
from reader_targets import FORMS, READERS, read_ids, read_journal, read_key_file, read_line, reader_seeds
from test_fuzz import GUIDED_READERS

SEEDS = reader_seeds()
PATCHES = [b"null", b"{}", b"[]", b"1e9", b'"', b"'", b"\\ud800", b"\xff", b"\n", b"\r", b"\x00", b",", b"-"]


@st.composite
def damaged(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """Valid input of a reader, with parts overwritten, removed or inserted."""
    data = draw(st.sampled_from(whole))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        patch = draw(st.binary(max_size=6) | st.sampled_from(PATCHES))
        data = data[:start] + patch + data[end if draw(st.booleans()) else start :]
    return data


ROWS = st.lists(
    st.lists(st.text(max_size=8) | st.sampled_from(["phone_number_id", '"', "\r"]), max_size=4), max_size=5
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A roughly valid table, after the byte that selects its format."""
    rows = draw(ROWS)
    delimiter = draw(st.sampled_from(",;\t|"))
    text = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(delimiter.join(row) for row in rows)
    return b"\x01" + text.encode("utf-8", "surrogatepass")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1_000) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["phone_number_id", "index", "x"]), JSON, max_size=3)
JSONL = st.lists(OBJECTS, max_size=4).map(
    lambda rows: b"\x02" + "\n".join(map(json.dumps, rows)).encode("utf-8", "surrogatepass")
)


@example(b"\x01phone_number_id\rphnum_1\rphnum_2\r")  # as an old Macintosh ends lines
@example(b"\x01" + b"x" * 200_000 + b",phone_number_id\na,b\n")  # longer than a field of CSV may be
@example(b"\x01phone_number_id\n" + b"x" * 200_000)
@example(b"\x01\n\n\n")
@example(b'\x01"phone_number_id\n')
@example(b'\x02{"phone_number_id": "phnum_1", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b'\x02{"phone_number_id": ' + b"[" * 100_000)
@example(b"\x02\xff\xfe{")
@given(st.binary(max_size=200) | damaged(SEEDS) | tables() | JSONL)
def test_lists_of_ids(data: bytes) -> None:
    read_ids(data)


@pytest.fixture(scope="module")
def parquet() -> bytes:
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs it: pip install 'elevenphone[arrow]'")
    file = io.BytesIO()
    importable = pytest.importorskip("pyarrow.parquet")
    importable.write_table(pyarrow.table({"phone_number_id": ["phnum_1", None, "phnum_2"]}), file)
    return file.getvalue()


@given(st.data())
def test_lists_of_ids_in_parquet(parquet: bytes, data: st.DataObject) -> None:
    form = bytes([FORMS.index(".parquet")])
    read_ids(form + data.draw(st.binary(max_size=100) | damaged([parquet])))


DEEP = b'{"index":0,"phone_number_id":"p","status":"found","attempts":1,"elapsed":0.1,"x":%b}'


@example(DEEP % (b"[" * 100_000 + b"]" * 100_000))
@example(SEEDS[3].split(b"\n")[1].replace(b"503", b'"503"'))
@given(st.binary(max_size=200) | damaged([line for seed in SEEDS for line in seed.split(b"\n")]))
def test_lines(data: bytes) -> None:
    read_line(data)


def header_and_line_at(index: int, ids: str) -> bytes:
    """A journal of one line, with a position that no run gives."""
    header, first, *_ = SEEDS[4].split(b"\n")
    return b"\n".join(
        [header.replace(b"3", ids.encode()), first.replace(b'"index":0', b'"index":%d' % index), b""]
    )


@pytest.mark.parametrize("ids", ["3", "null"], ids=["of a file", "of a pipe"])
@pytest.mark.parametrize("index", [-1, 3, 10**17, 10**19])
def test_journals_of_positions_that_no_list_has(index: int, ids: str) -> None:
    read_journal(header_and_line_at(index, ids))


@example(b"[" * 100_000 + b"\n")
@example(b"\n")
@given(st.binary(max_size=200) | damaged(SEEDS))
def test_journals(data: bytes) -> None:
    read_journal(data)


@given(st.binary(max_size=100) | damaged(SEEDS))
def test_key_files(data: bytes) -> None:
    read_key_file(data)


def test_every_reader_is_fuzzed_under_guidance_too() -> None:
    assert set(READERS) == set(GUIDED_READERS)
