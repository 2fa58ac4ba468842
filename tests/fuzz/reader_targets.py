"""Fuzz targets of the command line: the readers of lists of ids, of journals and of key files.

Bytes in; out comes what the reader is for, or an error that the command shows in one line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from elevenphone import Failed, Found, Lookup, PhoneNumberClient, ServerError, TwilioPhoneNumber
from elevenphone.cli.access import Access
from elevenphone.cli.errors import OutputError, Refusal
from elevenphone.cli.fetch.journal import Header, Journal
from elevenphone.cli.formats.ids import IdSource, InputError
from elevenphone.cli.formats.lines import decode_line, encode_line
from elevenphone.cli.shell import Shell

FORMS = (".txt", ".csv", ".jsonl", ".parquet", ".json", ".txt.gz", ".tsv")
HEADER = Header("https://api.example", "sk_a_key_of_some_length", 3, "digest")

# A shorter one can occur in a message by chance.
_SHORTEST_SECRET = 12
_folder = tempfile.TemporaryDirectory()
FOLDER = Path(_folder.name)
_NUMBER = TwilioPhoneNumber(phone_number="+12125550100", label="", phone_number_id="phnum_1")
_ANSWERS: list[Lookup] = [
    Found(0, "phnum_1", 1, 0.1, _NUMBER),
    Failed(1, "phnum_2", 2, 0.5, ServerError(503, message="No.")),
]


def read_ids(data: bytes) -> None:
    """A file of any format, selected by the first byte, is read to its end or refused."""
    path = FOLDER / f"ids{FORMS[data[0] % len(FORMS)] if data else '.txt'}"
    path.write_bytes(data[1:])
    source = IdSource(path, None, None)
    try:
        survey = source.survey()
    except InputError as error:
        problem = str(error)
    else:
        ids = list(source.ids())
        assert all(isinstance(each, str) for each in ids)
        assert len(ids) == survey.size
        assert source.survey() == survey
        return
    assert problem.startswith(f"cannot read the ids from '{path}': ")


def read_line(data: bytes) -> None:
    """A line is that of a lookup, which can be written and read again, or raises `ValueError`."""
    try:
        lookup = decode_line(data)
    except ValueError as error:
        problem = str(error)
    else:
        line = encode_line(lookup)
        assert line.count(b"\n") == 1
        again = decode_line(line)
        assert (type(again), again.index) == (type(lookup), lookup.index)
        return
    assert problem.startswith("not a line of a lookup: ")


def read_journal(data: bytes) -> None:
    """A damaged journal is resumed or refused, and a resumed one can be written to."""
    path = FOLDER / "out.journal"
    path.write_bytes(data)
    try:
        journal = Journal(path, path.with_name("out"))
    except (Refusal, OutputError):
        return
    try:
        if not journal.has_answers:
            journal.begin(HEADER)
        else:
            for lookup in journal.resume(HEADER):
                assert journal.has(lookup.index, lookup.phone_number_id)
                assert lookup.index >= 0
        journal.keep(_ANSWERS)
    except (Refusal, OutputError):
        pass
    finally:
        journal.close()


def read_key_file(data: bytes) -> None:
    """A key file holds a key that a client accepts, or is refused without showing it."""
    path = FOLDER / "key"
    path.write_bytes(data)
    access = Access(
        shell=Shell([], {}, None, None, None),
        api_key_file=path,
        region=None,
        base_url=None,
        timeout=1.0,
        deadline=1.0,
        proxy=None,
        trust_env=False,
        ca_file=None,
        verbose=False,
        log_file=None,
    )
    try:
        key = access.key()
    except Refusal as error:
        problem = error.message
    else:
        PhoneNumberClient(key)
        return
    content = data.decode(errors="replace").strip()
    assert len(content) < _SHORTEST_SECRET or content not in problem


READERS: dict[str, Callable[[bytes], None]] = {
    "ids": read_ids,
    "line": read_line,
    "journal": read_journal,
    "key-file": read_key_file,
}


def _journal_seed() -> bytes:
    """Make a journal of two answers."""
    path = FOLDER / "seed.journal"
    journal = Journal(path, path.with_name("out"), start_over=True)
    journal.begin(HEADER)
    journal.keep(_ANSWERS)
    journal.close()
    return path.read_bytes()


def reader_seeds() -> list[bytes]:
    """Make valid inputs of each reader."""
    found = (
        b'{"index":0,"phone_number_id":"phnum_1","status":"found","attempts":1,"elapsed":0.1,"number":%b}\n'
    )
    number = b'{"provider":"twilio","phone_number":"+12125550100","label":"","phone_number_id":"phnum_1"}'
    failed = (
        b'{"index":1,"phone_number_id":"p","status":"failed","attempts":2,"elapsed":0.5,"error":'
        b'{"kind":"server","http_status":503,"code":null,"message":"No.","request_id":null}}\n'
    )
    lines = found % number + failed
    return [
        b"\x00phnum_1\nphnum_2\n",
        b"\x01label;phone_number_id\nMain;phnum_1\n",
        b'\x02{"phone_number_id": "phnum_1", "x": [1]}\n\n{"phone_number_id": null}\n',
        lines,
        _journal_seed(),
        b'{"journal":1,"server":"https://api.example","ids":null,"digest":null}\n' + lines,
        b"sk_0123456789abcdef\n",
    ]
