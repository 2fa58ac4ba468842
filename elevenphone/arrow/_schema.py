"""The one schema of lookups in Arrow, and lookups turned into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow

from elevenphone._records import row_of
from elevenphone.lookups import Lookup
from elevenphone.models import PhoneNumber

_TEXT = pyarrow.string()
_FLAG = pyarrow.bool_()
_TEXTS = pyarrow.list_(_TEXT)
_TEXT_TO_TEXT = pyarrow.map_(_TEXT, _TEXT)


def _required(name: str, kind: pyarrow.DataType) -> pyarrow.Field[pyarrow.DataType]:
    return pyarrow.field(name, kind, nullable=False)


def _optional(name: str, kind: pyarrow.DataType) -> pyarrow.Field[pyarrow.DataType]:
    return pyarrow.field(name, kind)


_AGENT = pyarrow.struct(
    [
        _required("agent_id", _TEXT),
        _required("agent_name", _TEXT),
        _optional("environment", _TEXT),
        _optional("branch_id", _TEXT),
    ]
)
_OUTBOUND_TRUNK = pyarrow.struct(
    [
        _required("address", _TEXT),
        _required("transport", _TEXT),
        _required("media_encryption", _TEXT),
        _required("has_auth_credentials", _FLAG),
        _required("headers", _TEXT_TO_TEXT),
        _required("attributes_to_headers", _TEXT_TO_TEXT),
        _optional("username", _TEXT),
        _required("has_outbound_trunk", _FLAG),
        _required("enabled_codecs", _TEXTS),
    ]
)
_INBOUND_TRUNK = pyarrow.struct(
    [
        _required("allowed_addresses", _TEXTS),
        _required("media_encryption", _TEXT),
        _required("has_auth_credentials", _FLAG),
        _optional("allowed_numbers", _TEXTS),
        _optional("username", _TEXT),
        _optional("remote_domains", _TEXTS),
        _required("attributes_to_headers", _TEXT_TO_TEXT),
    ]
)

SCHEMA: pyarrow.Schema = pyarrow.schema(
    [
        _optional("phone_number_id", _TEXT),
        _required("status", _TEXT),
        _optional("provider", _TEXT),
        _optional("phone_number", _TEXT),
        _optional("label", _TEXT),
        _optional("supports_inbound", _FLAG),
        _optional("supports_outbound", _FLAG),
        _optional("assigned_agent", _AGENT),
        _optional("livekit_stack", _TEXT),
        _optional("store_sip_messages", _FLAG),
        _optional("provider_config", _OUTBOUND_TRUNK),
        _optional("outbound_trunk", _OUTBOUND_TRUNK),
        _optional("inbound_trunk", _INBOUND_TRUNK),
        _optional("raw", _TEXT),
        _optional("error_kind", _TEXT),
        _optional("http_status", pyarrow.int32()),
        _optional("error_code", _TEXT),
        _optional("error_message", _TEXT),
        _optional("request_id", _TEXT),
        _required("attempts", pyarrow.int32()),
        _required("elapsed", pyarrow.float64()),
    ],
    metadata={"elevenphone.schema_version": "1"},
)
"""The columns of a table of lookups. The guide "Tables of lookups" describes them.

A new version only appends columns that may be null, and increases
`elevenphone.schema_version` in the schema's metadata.
"""

BATCH_ROWS = 1_000
"""The most rows of a batch."""


def record_batch(lookups: Sequence[Lookup | PhoneNumber]) -> pyarrow.RecordBatch:
    """Turn lookups, or numbers of a listing, into one Arrow record batch.

    Args:
        lookups: The result of `gather`, or a part of a stream or of a listing. The `index`
            of a lookup is left out. A number of a listing is `found`, with 0 attempts.

    Returns:
        A batch of `SCHEMA`, with a row for each lookup, in the same order.

    Example:
        ```python
        with pyarrow.parquet.ParquetWriter("lookups.parquet", SCHEMA) as writer:
            writer.write_batch(record_batch(lookups))
        ```
    """
    return batch_of([row_of(lookup) for lookup in lookups])


def to_table(lookups: Iterable[Lookup | PhoneNumber]) -> pyarrow.Table:
    """Turn lookups, or numbers of a listing, into one Arrow table.

    Args:
        lookups: Any number of lookups or numbers, read a thousand at a time.

    Returns:
        A table of `SCHEMA`, with a row for each lookup, in the same order.

    Example:
        ```python
        table = to_table(await client.gather(ids))
        ```
    """
    return pyarrow.Table.from_batches(map(record_batch, _pieces(lookups)), SCHEMA)


def _pieces(lookups: Iterable[Lookup | PhoneNumber]) -> Iterator[list[Lookup | PhoneNumber]]:
    remaining = iter(lookups)
    while piece := list(islice(remaining, BATCH_ROWS)):
        yield piece


def batch_of(rows: list[dict[str, object]]) -> pyarrow.RecordBatch:
    """Make a batch of rows. A column that a row does not have is null."""
    return pyarrow.RecordBatch.from_pylist(rows, schema=SCHEMA)
