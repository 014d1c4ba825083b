"""Decode JSON and NDJSON bodies into points."""

from __future__ import annotations

from io import BytesIO

import msgspec

from apps.telemetry.exceptions import MalformedBatchError, TooManyPointsError
from apps.telemetry.protocols.points import DecodedBatch, RawPoint, Rejection
from urfmp.common.db.json_values import NESTED_TOO_DEEP


class _JsonBatch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[RawPoint]


class _UndecodedBatch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[msgspec.Raw]


_batch_decoder = msgspec.json.Decoder(_JsonBatch)
_batch_splitter = msgspec.json.Decoder(_UndecodedBatch)
_point_decoder = msgspec.json.Decoder(RawPoint)


def decode_json(body: bytes, *, max_points: int) -> DecodedBatch:
    """Decode a JSON body, point by point if one is invalid.

    Raises:
        MalformedBatchError: The body is not JSON of the expected form.
        TooManyPointsError: The body has more than `max_points` points.
    """
    try:
        batch = DecodedBatch([*enumerate(_batch_decoder.decode(body).points)])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        batch = _decode_point_by_point(body)
    count = len(batch.points) + len(batch.rejected)
    if count > max_points:
        msg = f"The batch has {count} points. Send at most {max_points} at once."
        raise TooManyPointsError(msg)
    return batch


def decode_ndjson(body: bytes, *, max_points: int) -> DecodedBatch:
    """Decode a body with one point per line; indexes skip empty lines.

    Raises:
        TooManyPointsError: The body has more than `max_points` points.
    """
    batch = DecodedBatch()
    for index, line in enumerate(line for line in BytesIO(body) if line.strip()):
        if index == max_points:
            msg = f"The body has more than {max_points} points. Send at most {max_points} at once."
            raise TooManyPointsError(msg)
        _decode_point(batch, index, line)
    return batch


def _decode_point(batch: DecodedBatch, index: int, text: bytes | msgspec.Raw) -> None:
    try:
        batch.points.append((index, _point_decoder.decode(text)))
    except RecursionError:
        batch.rejected.append(Rejection(index, "invalid", NESTED_TOO_DEEP))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        batch.rejected.append(Rejection(index, "invalid", str(error)))


def _decode_point_by_point(body: bytes) -> DecodedBatch:
    try:
        # Splitting skips over points without parsing them; this finds invalid JSON inside them.
        msgspec.json.decode(body)
    except msgspec.ValidationError:
        pass  # a number out of range: that point is rejected below
    except RecursionError as error:
        raise MalformedBatchError(NESTED_TOO_DEEP) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"The body is not JSON: {error}"
        raise MalformedBatchError(msg) from error
    try:
        raw_points = _batch_splitter.decode(body).points
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f'The body is not of the form {{"points": [...]}}: {error}'
        raise MalformedBatchError(msg) from error
    batch = DecodedBatch()
    for index, raw in enumerate(raw_points):
        _decode_point(batch, index, raw)
    return batch
