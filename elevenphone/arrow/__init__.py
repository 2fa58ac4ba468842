"""Lookups as Arrow tables, for Parquet files and for Ray, Dask and Spark.

Needs the extra `arrow`: `pip install 'elevenphone[arrow]'`.
"""

try:
    from elevenphone.arrow._batches import BatchLookup, ClientOptions, lookup_batches
    from elevenphone.arrow._schema import SCHEMA, record_batch, to_table
except ModuleNotFoundError as _error:
    if _error.name != "pyarrow":
        raise
    raise ImportError(
        "elevenphone.arrow needs pyarrow: pip install 'elevenphone[arrow]'", name="pyarrow"
    ) from None

__all__ = ["SCHEMA", "BatchLookup", "ClientOptions", "lookup_batches", "record_batch", "to_table"]
