"""Decode JSON and NDJSON bodies into points."""

from __future__ import annotations

from io import BytesIO

import msgspec

from apps.telemetry.exceptions import MalformedBatchError, TooManyPointsError
from apps.telemetry.protocols.points import Batch, Rejection, SentPoint


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[SentPoint]


class _RawBatch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[msgspec.Raw]


_fast = msgspec.json.Decoder(_Batch)
_slow = msgspec.json.Decoder(_RawBatch)
_item = msgspec.json.Decoder(SentPoint)


def decode_batch(body: bytes, *, max_points: int) -> Batch:
    """Decode a JSON body at once; where an item does not fit, item by item.

    Raises:
        MalformedBatchError: It is not JSON of the expected form.
        TooManyPointsError: It holds more than `max_points` items.
    """
    try:
        batch = Batch([*enumerate(_fast.decode(body).points)])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        batch = _decode_items(body)
    count = len(batch.points) + len(batch.rejected)
    if count > max_points:
        msg = f"The batch holds {count} points; send at most {max_points} at once."
        raise TooManyPointsError(msg)
    return batch


def decode_ndjson(body: bytes, *, max_points: int) -> Batch:
    """Decode a body with one item a line; places count the lines that are not empty.

    Raises:
        TooManyPointsError: It holds more than `max_points` items.
    """
    batch = Batch()
    for index, line in enumerate(line for line in BytesIO(body) if line.strip()):
        if index == max_points:
            msg = f"The body holds more than {max_points} points; send fewer at once."
            raise TooManyPointsError(msg)
        _decode_item(batch, index, line)
    return batch


def _decode_item(batch: Batch, index: int, item: bytes | msgspec.Raw) -> None:
    try:
        batch.points.append((index, _item.decode(item)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        batch.rejected.append(Rejection(index, "invalid", str(error)))


def _decode_items(body: bytes) -> Batch:
    try:
        # Raw items are only skipped over, so that what is no JSON at all shows here.
        msgspec.json.decode(body)
    except msgspec.ValidationError:
        pass  # a number out of range: that item is rejected below
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"The body is not JSON: {error}"
        raise MalformedBatchError(msg) from error
    try:
        items = _slow.decode(body).points
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f'The body is not of the form {{"points": [...]}}: {error}'
        raise MalformedBatchError(msg) from error
    batch = Batch()
    for index, raw in enumerate(items):
        _decode_item(batch, index, raw)
    return batch
