# pyarrow's stubs import pandas, which may not be installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import gc
import io
import multiprocessing
import pickle
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import cast

import pytest

pytest.importorskip("pyarrow", reason="needs the extra arrow")

import pyarrow
from arrow_helpers import emulator_in_thread

from elevenphone import ConfigurationError, RetryPolicy
from elevenphone.arrow import SCHEMA, BatchLookup, lookup_batches
from elevenphone.emulator import Emulator


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with emulator_in_thread(monkeypatch) as started:
        yield started


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    gc.collect()
    assert [thread.name for thread in threading.enumerate() if thread.name == "elevenphone"] == []


def table_of(ids: list[str | None], name: str = "phone_number_id") -> pyarrow.Table:
    return pyarrow.table({name: pyarrow.array(ids, pyarrow.string())})


def batches_of(ids: list[str | None], rows: int) -> list[pyarrow.RecordBatch]:
    return table_of(ids).to_batches(max_chunksize=rows)


def column(table: pyarrow.Table, name: str) -> list[object]:
    return cast("list[object]", table.column(name).to_pylist())


def test_rows_come_in_the_order_of_the_input(emulator: Emulator) -> None:
    emulator.latency = 0.002
    emulator.concurrency_limit = 5
    emulator.server_errors = 0.05
    emulator.truncated = 0.05
    ids = [emulator.unknown_ids[0], *emulator.ids, *emulator.ids[:30], "..", None]
    with BatchLookup(retry=RetryPolicy(attempts=8, wait_max=0.01)) as look_up:
        lookups = look_up(table_of(ids))
    assert lookups.schema.equals(SCHEMA, check_metadata=True)
    assert column(lookups, "phone_number_id") == ids
    assert column(lookups, "status") == ["not_found", *["found"] * 130, "failed", "failed"]
    assert column(lookups, "phone_number")[1:131] == [
        emulator.number(each).phone_number for each in (*emulator.ids, *emulator.ids[:30])
    ]


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_the_size_of_the_batches_changes_nothing(emulator: Emulator, rows: int) -> None:
    results = list(lookup_batches(batches_of([*emulator.ids], rows)))
    assert [result.num_rows for result in results] == [
        batch.num_rows for batch in batches_of([*emulator.ids], rows)
    ]
    lookups = pyarrow.Table.from_batches(results)
    assert column(lookups, "phone_number_id") == [*emulator.ids]
    assert set(column(lookups, "status")) == {"found"}


@pytest.mark.usefixtures("emulator")
def test_empty_input_is_an_empty_result() -> None:
    assert list(lookup_batches([])) == []
    assert list(lookup_batches(batches_of([], 10))) == []
    with BatchLookup() as look_up:
        assert look_up(table_of([])).equals(SCHEMA.empty_table())


def test_large_batches_are_cut_and_the_input_is_pulled_as_needed(emulator: Emulator) -> None:
    pulled = 0

    def endless() -> Iterator[pyarrow.RecordBatch]:
        nonlocal pulled
        while True:
            pulled += 1
            yield from batches_of([emulator.ids[pulled % 100]] * 2_500, 2_500)

    results = lookup_batches(endless())
    assert [result.num_rows for result in islice(results, 4)] == [1_000, 1_000, 500, 1_000]
    assert pulled <= 3
    cast("Iterator[object] | io.IOBase", results).close()  # type: ignore[union-attr]


def test_a_null_is_not_mistaken_for_the_id_none(emulator: Emulator) -> None:
    with BatchLookup() as look_up:
        lookups = look_up(table_of([None, "None", None]))
    assert column(lookups, "error_kind") == [
        "invalid_phone_number_id",
        "not_found",
        "invalid_phone_number_id",
    ]
    assert emulator.stats.not_found == 1


def test_one_client_serves_many_calls_and_threads(emulator: Emulator) -> None:
    emulator.latency = 0.005
    with BatchLookup(concurrency=4) as look_up, ThreadPoolExecutor(4) as threads:
        tables = [table_of([*emulator.ids[start : start + 25]]) for start in range(0, 100, 25)]
        results = list(threads.map(look_up, tables))
        assert [name for name in thread_names() if name == "elevenphone"] == ["elevenphone"]
    assert [column(result, "phone_number_id") for result in results] == [
        column(table, "phone_number_id") for table in tables
    ]
    assert emulator.stats.connections <= 4
    assert emulator.stats.peak_in_flight == 4


def thread_names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    "kind",
    [pyarrow.large_string(), pyarrow.string_view(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())],
    ids=str,
)
def test_every_string_type_is_accepted(emulator: Emulator, kind: pyarrow.DataType) -> None:
    ids = pyarrow.array([*emulator.ids[:3]], pyarrow.string()).cast(kind)
    (result,) = lookup_batches(pyarrow.table({"ids": ids}).to_batches(), id_column="ids")
    assert result.column("status").to_pylist() == ["found"] * 3


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (table_of(["a"], "id"), "must have one column 'phone_number_id': pass id_column, one of 'id'"),
        (pyarrow.table({"phone_number_id": [17]}), "'phone_number_id' holds 17: ids are text"),
        (pyarrow.table({"phone_number_id": [b"a"]}), "'phone_number_id' holds b'a': ids are text"),
        ({"phone_number_id": ["a"]}, "takes a pyarrow.Table, not a dict; .* batch_format='pyarrow'"),
    ],
)
def test_a_wrong_input_is_refused(table: pyarrow.Table, problem: str) -> None:
    with BatchLookup() as look_up, pytest.raises(ConfigurationError, match=problem):
        look_up(table)


def test_an_unknown_option_is_refused_where_it_is_passed() -> None:
    with pytest.raises(TypeError, match="no such client option: session, sessions"):
        lookup_batches([], session=None, sessions=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_missing_key_is_reported_when_lookups_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="no API key"):
        list(lookup_batches(batches_of(["a"], 1)))


def test_a_refused_key_fails_each_row(emulator: Emulator) -> None:
    with BatchLookup(api_key="sk_wrong") as look_up:
        lookups = look_up(table_of([*emulator.ids]))
    assert set(column(lookups, "error_kind")) == {"authentication"}
    assert emulator.stats.requests < 20


def test_an_exception_of_the_input_propagates(emulator: Emulator) -> None:
    def broken() -> Iterator[pyarrow.RecordBatch]:
        yield from batches_of([*emulator.ids], 100)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(lookup_batches(broken()))


def test_it_pickles_before_and_after_its_first_use(emulator: Emulator) -> None:
    first = BatchLookup(id_column="id", timeout=5.0, retry=RetryPolicy.none())
    tables = [table_of([each], "id") for each in emulator.ids[:3]]
    second = pickle.loads(pickle.dumps(first))  # noqa: S301
    with first, second:
        first(tables[0])
        with pickle.loads(pickle.dumps(first)) as third:  # noqa: S301
            statuses = [
                column(each(table), "status")
                for each, table in zip((first, second, third), tables, strict=True)
            ]
    assert statuses == [["found"]] * 3


def test_the_key_is_passed_and_never_shown(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY")
    look_up = BatchLookup(api_key=emulator.api_key)
    with pickle.loads(pickle.dumps(look_up)) as passed:  # noqa: S301
        assert column(passed(table_of([emulator.ids[0]])), "status") == ["found"]
        assert emulator.api_key not in f"{look_up!r} {passed.batches!r} {vars(passed)}"


def test_no_traceback_shows_the_key() -> None:
    results = lookup_batches(batches_of(["a"], 1), api_key="sk_not to be seen")
    with pytest.raises(ConfigurationError) as raised:
        list(results)
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert "resolve_api_key" in [frame.name for frame in shown.stack]
    assert "not to be seen" not in "".join(shown.format())


def test_a_closed_lookup_refuses_to_work(emulator: Emulator) -> None:
    look_up = BatchLookup()
    look_up(table_of([emulator.ids[0]]))
    look_up.close()
    look_up.close()
    with pytest.raises(ConfigurationError, match="closed: make a new one"):
        look_up(table_of([emulator.ids[0]]))


def test_closing_ends_a_running_call(emulator: Emulator) -> None:
    emulator.latency = 60.0
    look_up = BatchLookup()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(look_up, table_of([emulator.ids[0]]))
        wait_until(lambda: emulator.stats.in_flight == 1)
        look_up.close()
        with pytest.raises(ConfigurationError, match="closed while lookups were under way"):
            call.result()


def test_a_run_that_is_left_early_stops_its_requests(emulator: Emulator) -> None:
    emulator.latency = 0.005
    with BatchLookup(concurrency=2) as look_up:
        results = look_up.batches(batches_of([*emulator.ids[:10]] * 300, 10))
        next(results)
        results.close()
        wait_until(lambda: emulator.stats.in_flight == 0)
        assert column(look_up(table_of([emulator.ids[50]])), "status") == ["found"]


def test_a_lookup_that_is_not_closed_ends_with_its_last_reference(emulator: Emulator) -> None:
    look_up = BatchLookup()
    look_up(table_of([emulator.ids[0]]))
    assert "elevenphone" in thread_names()
    del look_up
    gc.collect()
    assert "elevenphone" not in thread_names()


def statuses_of(look_up: BatchLookup, phone_number_id: str) -> list[object]:
    return column(look_up(table_of([phone_number_id])), "status")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_its_own_client(emulator: Emulator) -> None:
    with BatchLookup() as look_up:
        assert statuses_of(look_up, emulator.ids[0]) == ["found"]
        receiver, sender = multiprocessing.Pipe(duplex=False)

        def child() -> None:
            sender.send(statuses_of(look_up, emulator.ids[1]))

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        assert receiver.poll(20)
        assert receiver.recv() == ["found"]
        process.join()
        assert statuses_of(look_up, emulator.ids[2]) == ["found"]


def wait_until(holds: Callable[[], bool]) -> None:
    turn = threading.Event()
    for _ in range(2_000):
        if holds():
            return
        turn.wait(0.005)
    raise AssertionError("waited in vain")
