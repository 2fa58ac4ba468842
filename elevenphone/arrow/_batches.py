"""Look up record batches of ids without an event loop."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Self, TypedDict, Unpack, cast

import pyarrow

from elevenphone._configuration import Secret
from elevenphone._records import row_of
from elevenphone.arrow._schema import BATCH_ROWS, SCHEMA, batch_of
from elevenphone.arrow._session import FedRun, Session
from elevenphone.client import PhoneNumberClient
from elevenphone.errors import ConfigurationError
from elevenphone.region import Region
from elevenphone.retry import RetryPolicy

# Rows that are read and not yet returned: enough that one slow lookup does not hold up the others.
_LOOK_AHEAD = 2 * BATCH_ROWS


class ClientOptions(TypedDict, total=False):
    """The options of a worker's client. All of them can be pickled.

    Attributes:
        region: Selects the host; default: `Region.GLOBAL`.
        base_url: Another address; default: `ELEVENLABS_BASE_URL` of the worker.
        timeout: Seconds for one attempt; default: 10.
        deadline: Seconds for each lookup from its first attempt, `None` for no deadline;
            default: 300.
        retry: How often to retry, and how long to wait before each retry.
        concurrency: The most requests in flight in this process; default: adapts to what
            the server accepts, and to the other processes.
        rate: The most requests that this process starts per second; default: no limit.
    """

    region: Region | None
    base_url: str | None
    timeout: float
    deadline: float | None
    retry: RetryPolicy
    concurrency: int | None
    rate: float | None


class BatchLookup:
    """Looks up the ids of Arrow tables in plain calls, with one client for all calls.

    Use it in the workers of an engine. When it is pickled, only its options are. At its
    first call in a process it starts a thread with an event loop, and makes the client
    there. Calls from several threads share the client. `close`, `with`, or the end of
    the process closes it.

    Args:
        id_column: The column of the input that has the ids.
        api_key: The API key; default: `ELEVENLABS_API_KEY` of the worker. A key that you
            pass is pickled with the object, and shown nowhere.
        **client_options: See `ClientOptions`.

    Raises:
        TypeError: There is no such option.

    Example:
        ```python
        with BatchLookup(timeout=5.0) as look_up:
            lookups = look_up(pyarrow.table({"phone_number_id": ids}))
        ```
    """

    def __init__(
        self,
        *,
        id_column: str = "phone_number_id",
        api_key: str | None = None,
        **client_options: Unpack[ClientOptions],
    ) -> None:
        self._api_key = Secret(api_key)
        del api_key  # from here on, no traceback with local variables shows it
        if unknown := sorted(client_options.keys() - ClientOptions.__annotations__.keys()):
            raise TypeError(f"no such client option: {', '.join(unknown)}")
        self._id_column = id_column
        self._options = client_options
        self._closed = False
        self._opening = threading.Lock()
        self._session: Session | None = None
        self._finalizer: weakref.finalize[..., BatchLookup] | None = None

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        """Look up the ids of a table.

        Args:
            table: A table with the column of ids. Other columns are ignored.

        Returns:
            A table of `SCHEMA`, with a row for each row of the input, in the same order.

        Raises:
            ConfigurationError: There is no key, `table` is not a table, or it has no such
                column, or the column does not hold text.
        """
        if not isinstance(table, pyarrow.Table):
            raise ConfigurationError(
                f"a BatchLookup takes a pyarrow.Table, not a {type(table).__name__}; "
                "Ray Data gives one with batch_format='pyarrow'"
            )
        return pyarrow.Table.from_batches(self.batches(table.to_batches()), SCHEMA)

    def batches(self, batches: Iterable[pyarrow.RecordBatch]) -> Generator[pyarrow.RecordBatch]:
        """Look up the ids of batches, and iterate over the results.

        Holds at most 2,000 rows and one batch of the input, whatever the length of it.

        Args:
            batches: Batches with the column of ids, read as needed, in the caller's thread.

        Yields:
            Batches of `SCHEMA` with at most 1,000 rows, in the order of the input.

        Raises:
            ConfigurationError: There is no key, no such column, or the column does not
                hold text.
            Exception: The exception that iterating over `batches` raised.
        """
        run = self._open().start_run(self._options.get("deadline", 300.0))
        waiting: deque[list[str | None]] = deque()
        rows = 0
        try:
            for ids in _pieces(batches, self._id_column):
                run.feed(ids)
                waiting.append(ids)
                rows += len(ids)
                while rows >= _LOOK_AHEAD:
                    rows -= len(waiting[0])
                    yield _answers(run, waiting.popleft())
            while waiting:
                yield _answers(run, waiting.popleft())
        finally:
            run.leave()

    def close(self) -> None:
        """Close the client and end its thread; a second call does nothing."""
        with self._opening:
            self._closed = True
            if self._finalizer is not None:
                self._finalizer()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id_column={self._id_column!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return _unpickled, (type(self), self._id_column, self._api_key, self._options)

    def _open(self) -> Session:
        """Return the session of this process. A fork has its parent's object, but not its thread."""
        with self._opening:
            if self._closed:
                raise ConfigurationError("this BatchLookup is closed: make a new one")
            if self._session is None or self._session.process != os.getpid():
                if self._finalizer is not None:
                    self._finalizer.detach()
                client = PhoneNumberClient(cast("str | None", self._api_key.value), **self._options)
                self._session = Session(client)
                self._finalizer = weakref.finalize(self, self._session.close)
            return self._session


def lookup_batches(
    batches: Iterable[pyarrow.RecordBatch],
    *,
    id_column: str = "phone_number_id",
    api_key: str | None = None,
    **client_options: Unpack[ClientOptions],
) -> Iterator[pyarrow.RecordBatch]:
    """Look up the ids of record batches, with one client for the whole iteration.

    Spark's `mapInArrow` takes this function. If an engine calls a function for each
    batch, use a `BatchLookup`, so that all calls share one client.

    Args:
        batches: Batches with the column of ids, read as needed: at most 2,000 rows and
            one batch ahead.
        id_column: The column that has the ids. Other columns are ignored.
        api_key: The API key; default: the variable `ELEVENLABS_API_KEY`.
        **client_options: See `ClientOptions`.

    Returns:
        An iterator over batches of `SCHEMA` with at most 1,000 rows, in the order of the
        input.

    Raises:
        TypeError: There is no such option.
        ConfigurationError: When you iterate: there is no key, no such column, or the
            column does not hold text.

    Example:
        ```python
        lookups = pyarrow.Table.from_batches(lookup_batches(table.to_batches()), SCHEMA)
        ```
    """
    return _closing(BatchLookup(id_column=id_column, api_key=api_key, **client_options), batches)


def _closing(lookup: BatchLookup, batches: Iterable[pyarrow.RecordBatch]) -> Generator[pyarrow.RecordBatch]:
    with lookup:
        yield from lookup.batches(batches)


def _unpickled(
    kind: type[BatchLookup], id_column: str, api_key: Secret, client_options: ClientOptions
) -> BatchLookup:
    return kind(id_column=id_column, api_key=cast("str | None", api_key.value), **client_options)


def _pieces(batches: Iterable[pyarrow.RecordBatch], id_column: str) -> Iterator[list[str | None]]:
    """Take the ids out of batches, in pieces of at most one batch of the result."""
    for batch in batches:
        if batch.schema.names.count(id_column) != 1:
            names = ", ".join(map(repr, batch.schema.names)) or "none"
            raise ConfigurationError(
                f"the input must have one column {id_column!r}: pass id_column, one of {names}"
            )
        for start in range(0, batch.num_rows, BATCH_ROWS):
            ids = cast("list[object]", batch.slice(start, BATCH_ROWS).column(id_column).to_pylist())
            for each in ids:
                if not isinstance(each, str | None):
                    raise ConfigurationError(f"the column {id_column!r} holds {each!r}: ids are text")
            yield cast("list[str | None]", ids)


def _answers(run: FedRun, ids: list[str | None]) -> pyarrow.RecordBatch:
    """Return the lookups of a piece. A null id stays null."""
    rows = [row_of(lookup) for lookup in run.take(len(ids))]
    for row, phone_number_id in zip(rows, ids, strict=True):
        row["phone_number_id"] = phone_number_id
    return batch_of(rows)
