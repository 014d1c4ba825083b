"""Expected failures of ingest and of reads."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar
from uuid import UUID

from urfmp.common.exceptions import ApplicationError


class BodyTooLargeError(ApplicationError):
    """The body is larger than a batch may be, as it comes or unpacked."""

    code = "too_large"
    status = 413  # type: ignore[assignment]


class MalformedEncodingError(ApplicationError):
    """The body is not what its Content-Encoding says."""

    code = "malformed"
    status = 400  # type: ignore[assignment]


class BrokenBodyError(ApplicationError):
    """The body broke off: nothing of it was stored. Send it again, whole."""

    code = "malformed"
    status = 400  # type: ignore[assignment]


class UnsupportedEncodingError(ApplicationError):
    """The body is packed in a way that is not understood."""

    code = "unsupported_encoding"
    status = 415  # type: ignore[assignment]


class MalformedBatchError(ApplicationError):
    """The body is not a JSON object of the form {"points": [...]}."""

    code = "malformed"
    status = 400  # type: ignore[assignment]


class TooManyPointsError(ApplicationError):
    """The batch holds more points than are taken at once."""

    code = "too_many_points"
    status = 413  # type: ignore[assignment]


class RangeError(ApplicationError):
    """The start of a range lies before its end."""

    code = "invalid_range"
    status = 400  # type: ignore[assignment]


class SeriesTooLongError(ApplicationError):
    """The range holds more points than an answer may have; ask for a coarser resolution."""

    code = "too_many_points"
    status = 400  # type: ignore[assignment]


class UnknownMetricError(ApplicationError):
    """No robot that was asked for has ever sent this metric."""

    code = "unknown_metric"
    status = 400  # type: ignore[assignment]


class RangeTooLargeError(ApplicationError):
    """Percentiles and histograms need the points themselves; ask for a shorter range."""

    code = "range_too_large"
    status = 400  # type: ignore[assignment]


class ExportTooLongError(RuntimeError):
    """The export took longer than an hour. Its file breaks off, as the answer has long begun."""


class BusyError(ApplicationError):
    """The server is busy. Send the request again later.

    Attributes:
        retry_after: Seconds until it is worth trying again.
    """

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after: ClassVar[int] = 1


class SendingTooMuchError(BusyError):
    """Your organization has as much under way as is taken at once. Send it again later."""

    code = "too_much_under_way"
    status = HTTPStatus.TOO_MANY_REQUESTS


class RefusedError(Exception):
    """Something that was remembered no longer holds; nothing was stored.

    Attributes:
        ids: The keys and robots that are not what they were taken for.
    """

    def __init__(self, ids: Iterable[UUID]) -> None:
        super().__init__()
        self.ids = frozenset(ids)


class KeyEndedError(ApplicationError):
    """The API key has ended since it was looked up."""

    code = "not_authenticated"
    status = 401  # type: ignore[assignment]
