"""Encode exported rows as CSV, gzip-compressed CSV or Parquet.

An encoder keeps only one batch, or one row group, in memory. Rows are CSV lines in which all text
is quoted, so that a missing value differs from an empty text.
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
# A row group is written when it reaches either limit; the bytes are those of its lines.
_MAX_ROW_GROUP_ROWS = 100_000
_MAX_ROW_GROUP_BYTES = 32 * 1024 * 1024

LineBatches = Iterator[list[str]]


def encode_csv(batches: LineBatches, mark: bytes = b"") -> Iterator[bytes]:
    """Yield a CSV file: a header line, then one line per row.

    Args:
        batches: Lines of the file.
        mark: Byte order mark, without which Excel takes UTF-8 for another encoding.
    """
    # Sent with the first lines: until then the query may still fail.
    header = mark + (",".join(COLUMNS) + "\n").encode()
    for lines in batches:
        yield header + _join_lines(lines)
        header = b""
    if header:
        yield header


def encode_gzip_csv(batches: LineBatches, mark: bytes = b"") -> Iterator[bytes]:
    """Yield a gzip-compressed CSV file."""
    compressor = zlib.compressobj(level=5, wbits=zlib.MAX_WBITS | 16)
    for part in encode_csv(batches, mark):
        if compressed := compressor.compress(part):
            yield compressed
    yield compressor.flush()


def encode_parquet(batches: LineBatches, mark: bytes = b"") -> Iterator[bytes]:
    """Yield a Parquet file, row group by row group, without mark."""
    sink = _DrainableBuffer()
    with pq.ParquetWriter(sink, _SCHEMA, compression="zstd") as writer:
        group, rows, size = [], 0, 0
        for lines in batches:
            text = _join_lines(lines)
            group.append(_parse_lines(text))
            rows, size = rows + len(lines), size + len(text)
            if rows >= _MAX_ROW_GROUP_ROWS or size >= _MAX_ROW_GROUP_BYTES:
                writer.write_table(pa.concat_tables(group))
                group, rows, size = [], 0, 0
                yield sink.drain()
        if group:
            writer.write_table(pa.concat_tables(group))
    yield sink.drain()


def _join_lines(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _parse_lines(text: bytes) -> pa.Table:
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


class _DrainableBuffer(io.RawIOBase):
    """A write-only buffer, not seekable, whose content is read in parts."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(part))
        return len(part)

    def drain(self) -> bytes:
        """Return the bytes written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


@dataclass(frozen=True)
class ExportFormat:
    """A file format.

    Attributes:
        label: Name for users.
        content_type: Media type.
        suffix: File name extension.
        is_for_spreadsheets: Whether a spreadsheet may evaluate text as a formula.
        encode: Function from batches of lines and a byte order mark to the file's content.
    """

    label: str
    content_type: str
    suffix: str
    is_for_spreadsheets: bool
    encode: Callable[[LineBatches, bytes], Iterator[bytes]]


EXPORT_FORMATS = {
    "csv": ExportFormat("CSV", "text/csv; charset=utf-8", "csv", True, encode_csv),
    "csv.gz": ExportFormat("CSV, gzip", "application/gzip", "csv.gz", True, encode_gzip_csv),
    "parquet": ExportFormat(
        "Parquet", "application/vnd.apache.parquet", "parquet", False, encode_parquet
    ),
}
