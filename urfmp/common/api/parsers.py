from __future__ import annotations

import codecs
import json
from http import HTTPStatus
from typing import IO, Any

import msgspec
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from urfmp.common.db.json_values import NESTED_TOO_DEEP, exceeds_max_depth


class JsonBodyTooLargeError(APIException):
    """The body exceeds the API's limit."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The body is too large."


class StrictJsonParser(BaseParser):
    """A parser of standard JSON, limited to text that PostgreSQL can store.

    NaN, infinity and lone surrogates are not JSON. A null character is, but PostgreSQL stores it
    neither as text nor as JSON.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None
    ) -> Any:
        """Return the decoded body.

        Raises:
            JsonBodyTooLargeError: The body exceeds `DATA_UPLOAD_MAX_MEMORY_SIZE`, which Django does
                not check for a body that is read as a stream.
            ParseError: The body is not JSON, repeats a member, is nested too deeply, or contains
                a null character.
        """
        limit = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise JsonBodyTooLargeError
        # Editors on Windows write a byte order mark, which RFC 8259 allows a parser to ignore.
        body = body.removeprefix(codecs.BOM_UTF8)
        try:
            data = msgspec.json.decode(body)
        except RecursionError as error:
            raise ParseError(NESTED_TOO_DEEP) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            msg = f"The body is not JSON: {error}"
            raise ParseError(msg) from error
        if b"\\u0000" in body and _contains_nul(data):
            msg = "Null characters are not allowed."
            raise ParseError(msg)
        if exceeds_max_depth(body, data):
            raise ParseError(NESTED_TOO_DEEP)
        # The decoder keeps the last of several members with the same name; reject such a body.
        json.loads(body, object_pairs_hook=_reject_duplicate_members)
        return data


def _reject_duplicate_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"The body contains the member {twice[:100]} more than once."
        raise ParseError(msg)
    return found


def _contains_nul(data: Any) -> bool:
    if isinstance(data, str):
        return "\x00" in data
    if isinstance(data, dict):
        return any(_contains_nul(item) for pair in data.items() for item in pair)
    return isinstance(data, list) and any(map(_contains_nul, data))
