"""Parameters of the query API, in the URL or in a form."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django.http import HttpRequest, QueryDict
from django.utils import timezone

from apps.telemetry.exceptions import QuerySyntaxError
from apps.telemetry.protocols.points import parse_time
from apps.telemetry.protocols.prometheus.lexer import duration_ms
from apps.telemetry.selectors.prometheus.evaluation import MAX_STEPS, Steps

MAX_LISTED = 10_000
MAX_SELECTORS = 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+")
_MIN_TIME_MS = round(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
_MAX_TIME_MS = round(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)


class QueryParameters:
    """Parameters of a request; those of the body take precedence."""

    def __init__(self, request: HttpRequest) -> None:
        """Read the parameters of the URL and of a form."""
        self._sources: tuple[QueryDict, ...] = (request.POST, request.GET)

    def text(self, name: str) -> str:
        """Return a parameter.

        Raises:
            QuerySyntaxError: It is missing.
        """
        for source in self._sources:
            if found := source.get(name):
                return found
        msg = f"The parameter {name} is missing."
        raise QuerySyntaxError(msg)

    def texts(self, name: str) -> list[str]:
        """Return every value of a parameter.

        Raises:
            QuerySyntaxError: There are too many.
        """
        found = [text for source in self._sources for text in source.getlist(name)]
        if len(found) > MAX_SELECTORS:
            msg = f"Send the parameter {name} at most {MAX_SELECTORS} times."
            raise QuerySyntaxError(msg)
        return found

    def has(self, name: str) -> bool:
        """Return whether a parameter is present and not empty."""
        return any(source.get(name) for source in self._sources)

    def instant(self) -> Steps:
        """Return the evaluation time of an instant query; now by default."""
        default = round(timezone.now().timestamp() * 1000)
        at = self._time("time") if self.has("time") else default
        return Steps(at, at, 1)

    def steps(self) -> Steps:
        """Return the evaluation times of a range query.

        Raises:
            QuerySyntaxError: A parameter is invalid, or there are more than `MAX_STEPS` times.
        """
        start, end, step = self._time("start"), self._time("end"), self._step()
        if end < start:
            msg = "The end must not be before the start."
            raise QuerySyntaxError(msg)
        steps = Steps(start, end, step)
        if steps.count > MAX_STEPS:
            msg = f"A range has at most {MAX_STEPS:,} steps. Choose a longer step."
            raise QuerySyntaxError(msg)
        return steps

    def start(self) -> datetime | None:
        """Return the start of a search, or None; check the end."""
        if self.has("end"):
            self._time("end")
        if not self.has("start"):
            return None
        return datetime.fromtimestamp(self._time("start") / 1000, UTC)

    def limit(self) -> int:
        """Return the maximum number of results.

        Raises:
            QuerySyntaxError: The parameter is not a number.
        """
        if not self.has("limit"):
            return MAX_LISTED
        text = self.text("limit")
        if not (text.isascii() and text.isdigit()):
            msg = "The parameter limit must be a number."
            raise QuerySyntaxError(msg)
        wanted = int(text[:9])
        return min(wanted, MAX_LISTED) if wanted else MAX_LISTED  # 0 means no limit

    def _time(self, name: str) -> int:
        text = self.text(name)
        try:
            is_number = _NUMBER.fullmatch(text)
            seconds = float(text) if is_number else parse_time(text).timestamp()
        except (ValueError, OverflowError) as error:
            msg = f"The parameter {name} must be a Unix time in seconds, or RFC 3339."
            raise QuerySyntaxError(msg) from error
        if not _MIN_TIME_MS <= seconds * 1000 <= _MAX_TIME_MS:
            msg = f"The parameter {name} must be between the years 2000 and 2200."
            raise QuerySyntaxError(msg)
        return round(seconds * 1000)

    def _step(self) -> int:
        text = self.text("step")
        found = 0.0
        if _DURATION.fullmatch(text[:40]):
            found = duration_ms(text[:40])
        elif _NUMBER.fullmatch(text[:40]):
            found = float(text[:40]) * 1000
        if not 1 <= found <= _MAX_TIME_MS:
            msg = "The parameter step must be a duration such as 15s, or a number of seconds."
            raise QuerySyntaxError(msg)
        return round(found)
