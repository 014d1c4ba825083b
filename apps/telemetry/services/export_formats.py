"""Exported rows as files: CSV, packed CSV, Parquet. Each encoder holds one batch, or one row group.

Rows come as lines of CSV in which all text is quoted, so that a missing value and an empty text
differ, and in which nothing but the text inside the quotes is left to choose.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

COLUMNS = (
    "robot_id",
    "robot_name",
    "serial_number",
    "metric_name",
    "time",
    "value",
    "unit",
    "metadata",
)
_SCHEMA = pa.schema(
    [
        (name, {"time": pa.timestamp("us", tz="UTC"), "value": pa.float64()}.get(name, pa.string()))
        for name in COLUMNS
    ]
)
# A row group is written when it has this many rows or this many bytes of lines.
_GROUP_ROWS, _GROUP_BYTES = 100_000, 32 * 1024 * 1024

Batches = Iterator[list[str]]


def csv_bytes(batches: Batches) -> Iterator[bytes]:
    """Yield a CSV file: a line with the columns' names, then a line a row."""
    yield (",".join(COLUMNS) + "\n").encode()
    for lines in batches:
        yield _joined(lines)


def packed_csv_bytes(batches: Batches) -> Iterator[bytes]:
    """Yield the same file packed with gzip."""
    packer = zlib.compressobj(level=5, wbits=zlib.MAX_WBITS | 16)
    for part in csv_bytes(batches):
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()


def parquet_bytes(batches: Batches) -> Iterator[bytes]:
    """Yield a Parquet file, row group by row group."""
    sink = _Sink()
    with pq.ParquetWriter(sink, _SCHEMA, compression="zstd") as writer:
        group, rows, size = [], 0, 0
        for lines in batches:
            text = _joined(lines)
            group.append(_table(text))
            rows, size = rows + len(lines), size + len(text)
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                writer.write_table(pa.concat_tables(group))
                group, rows, size = [], 0, 0
                yield sink.taken()
        if group:
            writer.write_table(pa.concat_tables(group))
    yield sink.taken()


def _joined(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _table(text: bytes) -> pa.Table:
    return pyarrow.csv.read_csv(
        io.BytesIO(text),
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False, block_size=len(text) + 1, column_names=list(COLUMNS)
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=_SCHEMA,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


class _Sink(io.RawIOBase):
    """What is written, until somebody takes it; there is no going back in it."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


@dataclass(frozen=True)
class ExportFormat:
    """A kind of file.

    Attributes:
        label: What people call it.
        content_type: Its media type.
        suffix: How its name ends.
        is_for_spreadsheets: Whether a program may take text in it for a formula.
        encode: From batches of lines to the file.
    """

    label: str
    content_type: str
    suffix: str
    is_for_spreadsheets: bool
    encode: Callable[[Batches], Iterator[bytes]]


FORMATS = {
    "csv": ExportFormat("CSV", "text/csv; charset=utf-8", "csv", True, csv_bytes),
    "csv.gz": ExportFormat("CSV, packed", "application/gzip", "csv.gz", True, packed_csv_bytes),
    "parquet": ExportFormat(
        "Parquet", "application/vnd.apache.parquet", "parquet", False, parquet_bytes
    ),
}
