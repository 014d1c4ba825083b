"""Read the rows of a CSV file in bounded memory."""

from __future__ import annotations

import codecs
import csv
import zlib
from collections.abc import Iterable, Iterator

from apps.telemetry.exceptions import InvalidRecordingError

_GZIP_MAGIC = b"\x1f\x8b"
_PART_BYTES = 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
_MAX_LINES_PER_ROW = 1_000
_UTF_16_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_rows(
    parts: Iterable[bytes], delimiter: str, *, is_sample: bool = False
) -> Iterator[list[str]]:
    """Yield the cells of each row, the header first.

    A blank line is an empty row. The file may be compressed with gzip and begin with a byte order
    mark. Its encoding is UTF-8, UTF-16 with a mark, or, for lines that are not UTF-8, Windows-1252.

    Args:
        parts: The bytes of the file, in parts of any size.
        delimiter: Character between cells.
        is_sample: Whether these are only the first bytes of the file.

    Raises:
        InvalidRecordingError: The file is damaged, or a line or cell is too long.
    """
    lines = _RowLines(_lines(_to_utf_8(decompress(parts, is_sample=is_sample))))
    rows = csv.reader(lines, delimiter=delimiter)
    try:
        for row in rows:
            lines.end_row()
            yield row
    except csv.Error as error:
        msg = f"Line {rows.line_num} is not valid CSV: {error}."
        raise InvalidRecordingError(msg) from error


class _RowLines:
    """Decoded lines; a row has a limited number of them.

    Without a limit, a missing closing quote would read the whole file into one cell.
    """

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._count += 1
        if self._count > _MAX_LINES_PER_ROW:
            msg = f"A cell has more than {_MAX_LINES_PER_ROW} lines: a closing quote is missing."
            raise InvalidRecordingError(msg)
        return _decode_line(line)

    def end_row(self) -> None:
        """Begin to count the lines of the next row."""
        self._count = 0


def decompress(parts: Iterable[bytes], *, is_sample: bool = False) -> Iterator[bytes]:
    """Yield the decompressed bytes of a gzip file; other files unchanged.

    Raises:
        InvalidRecordingError: The compressed data is damaged or incomplete.
    """
    parts = iter(parts)
    first = b""
    for part in parts:
        first += part
        if len(first) >= len(_GZIP_MAGIC):
            break
    if not first.startswith(_GZIP_MAGIC):
        yield first
        yield from parts
        return
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for part in _chain(first, parts):
            waiting = part
            while waiting:
                if decompressor.eof:  # a file may consist of several members
                    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
                if data := decompressor.decompress(waiting, _PART_BYTES):
                    yield data
                waiting = decompressor.unconsumed_tail or decompressor.unused_data
    except zlib.error as error:
        msg = "The file is not a valid gzip file. Compress it again."
        raise InvalidRecordingError(msg) from error
    if not decompressor.eof and not is_sample:
        msg = "The compressed file is incomplete. Copy it again."
        raise InvalidRecordingError(msg)


def _chain(first: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from parts


def _to_utf_8(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Remove a byte order mark, and convert UTF-16."""
    first = b""
    for part in parts:
        first += part
        if len(first) >= len(codecs.BOM_UTF8):
            break
    if (encoding := _UTF_16_MARKS.get(first[:2])) is None:
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from parts
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    for part in _chain(first[2:], parts):
        yield decoder.decode(part).encode()
    yield decoder.decode(b"", final=True).encode()


def _lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines with their line breaks.

    Raises:
        InvalidRecordingError: A line is too long or not text.
    """
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield _checked(line) + b"\n"
        _checked(rest)
    if rest:
        yield rest


def _checked(line: bytes) -> bytes:
    if b"\x00" in line:
        msg = "The file is not text. Export the recording as CSV."
        raise InvalidRecordingError(msg)
    if len(line) > MAX_LINE_BYTES:
        msg = "The file has a line of more than 1 MB. Is it a CSV file?"
        raise InvalidRecordingError(msg)
    return line


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")
