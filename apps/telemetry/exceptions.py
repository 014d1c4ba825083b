"""Expected errors of ingest and reads."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from uuid import UUID

from urfmp.common.exceptions import ApplicationError


class BatchTooLargeError(ApplicationError):
    """The request body exceeds the maximum size of a batch."""

    code = "too_large"
    status = 413


class MalformedEncodingError(ApplicationError):
    """The request body does not match its Content-Encoding."""

    code = "malformed"
    status = 400


class IncompleteBodyError(ApplicationError):
    """The request body is incomplete. Nothing was stored; send it again."""

    code = "malformed"
    status = 400


class UnsupportedEncodingError(ApplicationError):
    """The Content-Encoding is not supported."""

    code = "unsupported_encoding"
    status = 415


class UnsupportedMediaTypeError(ApplicationError):
    """The media type of the body is not supported."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class MalformedBatchError(ApplicationError):
    """The body must be JSON of the form {"points": [...]}."""

    code = "malformed"
    status = 400


class TooManyPointsError(ApplicationError):
    """The batch has too many points."""

    code = "too_many_points"
    status = 413


class InvalidRangeError(ApplicationError):
    """The start must be before the end."""

    code = "invalid_range"
    status = 400


class SeriesTooLongError(ApplicationError):
    """The range has too many points. Choose a coarser resolution."""

    code = "too_many_points"
    status = 400


class UnknownMetricError(ApplicationError):
    """None of the requested robots has sent this metric."""

    code = "unknown_metric"
    status = 400


class RangeTooLargeError(ApplicationError):
    """The range has too many points. Choose a shorter range."""

    code = "range_too_large"
    status = 400


class QuerySyntaxError(ApplicationError):
    """The query or one of its parameters is invalid."""

    code = "bad_data"
    status = HTTPStatus.BAD_REQUEST


class UnsupportedExpressionError(ApplicationError):
    """The query uses a part of PromQL that is not supported."""

    code = "execution"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    @classmethod
    def of(cls, what: str) -> UnsupportedExpressionError:
        """Return the error that names a part of PromQL."""
        supported = (
            "Supported are selectors, and avg_over_time, min_over_time, max_over_time, "
            "sum_over_time, count_over_time, last_over_time and rate of a selector."
        )
        return cls(f"{what} is not supported. {supported}")


class QueryTooLargeError(ApplicationError):
    """The query reads too much. Narrow its range or its series."""

    code = "execution"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class UnknownPointsError(ApplicationError):
    """Some of these times have no point. Nothing was replaced."""

    code = "unknown_points"


class PointsChangedError(ApplicationError):
    """The number of points has changed. Check it, then repeat the correction."""

    code = "points_changed"


class ExportTooLongError(ApplicationError):
    """The export took longer than an hour. Export a shorter range.

    The response is already being sent, so it breaks off.
    """

    code = "export_too_long"
    status = 503


class BusyError(ApplicationError):
    """The server is overloaded. Send the request again later.

    Attributes:
        retry_after: Seconds to wait before the next attempt.
    """

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 1


class OrganizationOverloadedError(BusyError):
    """Your organization has too many requests in progress. Try again later."""

    code = "too_much_under_way"
    status = HTTPStatus.TOO_MANY_REQUESTS


class StaleReferenceError(Exception):
    """A cached API key or robot has changed; nothing was stored.

    Attributes:
        ids: Ids of the stale API keys and robots.
    """

    def __init__(self, ids: Iterable[UUID]) -> None:
        super().__init__()
        self.ids = frozenset(ids)


class SendingApiKeyInvalidError(ApplicationError):
    """The API key is no longer valid."""

    code = "not_authenticated"
    status = 401


class InvalidRecordingError(ApplicationError):
    """The recording cannot be read."""

    code = "invalid_recording"
    status = HTTPStatus.BAD_REQUEST


class ImportStateError(ApplicationError):
    """The import has changed in the meantime. Reload the page."""

    code = "invalid_state"


class TooManyImportsError(ApplicationError):
    """Too many imports are unfinished. Wait, or cancel one."""

    code = "too_many_imports"
    status = HTTPStatus.TOO_MANY_REQUESTS
