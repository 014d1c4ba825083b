from __future__ import annotations

import json
from http import HTTPStatus
from typing import IO, Any

import msgspec
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from urfmp.common.db.json_values import MAX_DEPTH, exceeds_max_depth


class JsonBodyTooLargeError(APIException):
    """The body is larger than any that the API takes."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The body is too large."


class StrictJsonParser(BaseParser):
    """JSON as the standard has it, holding only text that PostgreSQL can store.

    NaN, infinity and lone surrogates are no JSON; a NUL character is, but no text column and no
    JSON column takes it.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None
    ) -> Any:
        """Return the decoded body.

        Raises:
            BodyTooLargeError: It is larger than `DATA_UPLOAD_MAX_MEMORY_SIZE`, which Django itself
                does not ask of a body that is read as a stream.
            ParseError: It is not JSON, names a member twice, is nested too deep, or a text in it
                holds NUL.
        """
        limit = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise JsonBodyTooLargeError
        try:
            data = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            msg = f"The body is not JSON: {error}"
            raise ParseError(msg) from error
        if b"\\u0000" in body and _holds_nul(data):
            msg = "A text in the body holds a NUL character, which cannot be stored."
            raise ParseError(msg)
        if exceeds_max_depth(body, data):
            msg = f"Values in the body are nested in each other at most {MAX_DEPTH} times."
            raise ParseError(msg)
        # The decoder takes the last of two members with one name; whoever sent both meant neither.
        json.loads(body, object_pairs_hook=_reject_duplicate_members)
        return data


def _reject_duplicate_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"The body names the member {twice[:100]} twice."
        raise ParseError(msg)
    return found


def _holds_nul(data: Any) -> bool:
    if isinstance(data, str):
        return "\x00" in data
    if isinstance(data, dict):
        return any(_holds_nul(item) for pair in data.items() for item in pair)
    return isinstance(data, list) and any(map(_holds_nul, data))
