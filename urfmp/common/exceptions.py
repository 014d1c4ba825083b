"""Expected failures. Each has a stable code; the docstring is the message unless one is given."""

from __future__ import annotations

import inspect
from http import HTTPStatus
from typing import Any, ClassVar


class ApplicationError(Exception):
    """The request cannot be carried out.

    Attributes:
        code: Stable, machine-readable.
        status: The HTTP status that the API answers with.
        extra: Further members of the API's answer.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        """Take the message from the docstring's first line unless one is given."""
        text = message or (inspect.getdoc(type(self)) or self.code).split("\n", 1)[0]
        super().__init__(text)
        self.message = text
        self.extra = extra


class PreconditionFailedError(ApplicationError):
    """It has been changed since you read it; read it again."""

    code = "precondition_failed"
    status = HTTPStatus.PRECONDITION_FAILED
