"""Ids from a column of Parquet, and what is wrong with files that are called Parquet."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from elevenphone.cli.errors import Refusal
from elevenphone.cli.formats.ids import IdSource

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

IDS = ["phnum_1", "", "phnum_2"]


def read(path: Path, column: str | None = None) -> list[str]:
    return list(IdSource(path, None, column).ids())


def made(**columns: object) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def test_a_column_of_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ids.parquet"
    path.write_bytes(made(phone_number_id=[" phnum_1", None, "phnum_2\r\n"], n=[1, 2, 3]))
    assert read(path) == IDS
    with pytest.raises(Refusal, match="'phone_number_id', 'n'"):
        read(path, "label")
    with pytest.raises(Refusal, match="the column 'n' is of int64, not of text"):
        read(path, "n")


@pytest.mark.parametrize("kind", ["large_string", "string_view", "dictionary"])
def test_a_column_of_another_kind_of_text_is_read(tmp_path: Path, kind: str) -> None:
    kinds = {
        "large_string": pyarrow.large_string(),
        "string_view": pyarrow.string_view(),
        "dictionary": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),  # a category of pandas
    }
    try:
        content = made(phone_number_id=pyarrow.array(IDS, kinds[kind]))
    except pyarrow.ArrowNotImplementedError:
        pytest.skip("this pyarrow cannot write it")
    (tmp_path / "ids.parquet").write_bytes(content)
    assert read(tmp_path / "ids.parquet") == IDS


def test_two_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    names = ["phone_number_id", "label", "label", "phone_number_id"]
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["phnum_1"])] * 4, names), file)
    (tmp_path / "ids.parquet").write_bytes(file.getvalue())
    with pytest.raises(Refusal, match=r": there are several columns 'phone_number_id'\.$"):
        read(tmp_path / "ids.parquet")


GOOD = made(phone_number_id=["phnum_1"] * 1_000)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"phone_number_id\nphnum_1", "it is not a Parquet file: give it an ending that fits, such as .csv"),
        (b"x", "it is not a Parquet file: give it an ending that fits, such as .csv"),
        (b"", "it is empty"),
        (GOOD[:-20], "it is cut short"),
        (b"PAR1", "it is damaged, or of a kind that pyarrow cannot read"),
        (GOOD[:10] + b"\xff" * 60 + GOOD[70:], "it is damaged, or of a kind that pyarrow cannot read"),
        (GOOD[:-40] + b"\xff" * 30 + GOOD[-10:], "it is damaged, or of a kind that pyarrow cannot read"),
        (GOOD.replace(b"phnum_1", b"phnum\xff1"), "it is damaged, or of a kind that pyarrow cannot read"),
        (b"PARE" + GOOD[4:-4] + b"PARE", "it is encrypted"),
        (gzip.compress(GOOD), "it is compressed with gzip: decompress it first"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_in_plain_words(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "ids.parquet"
    path.write_bytes(content)
    with pytest.raises(Refusal) as caught:
        IdSource(path, None, None).survey()
    assert str(caught.value) == f"cannot read the ids from '{path}': {complaint}."


def test_a_damaged_byte_of_a_page_is_refused_if_it_makes_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "ids.parquet"
    content = made(phone_number_id=pyarrow.array([f"phnum_{n % 5}" for n in range(20)]).dictionary_encode())
    refused = 0
    for place in range(4, len(content) - 8 - int.from_bytes(content[-8:-4], "little")):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            read(path)
        except Refusal:
            refused += 1
    assert refused > 10


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        read(tmp_path / "absent.parquet")
    assert str(caught.value).endswith("absent.parquet': No such file or directory.")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(Refusal, match=r"folder\.parquet': Is a directory\.$"):
        read(tmp_path / "folder.parquet")
