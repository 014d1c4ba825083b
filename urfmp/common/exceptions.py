"""Expected errors.

Each has a stable code; the docstring is the default message.
"""

from __future__ import annotations

import inspect
from http import HTTPStatus
from typing import Any, ClassVar

_RESERVED = frozenset({"type", "title", "status", "code", "detail", "retry_after"})


class ApplicationError(Exception):
    """The request cannot be processed.

    Attributes:
        code: Stable, machine-readable code.
        status: HTTP status of the response.
        retry_after: Seconds until the client may retry; None where a retry is pointless.
        extra: Further members of the problem details.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = HTTPStatus.CONFLICT
    retry_after: int | None = None

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        """Use the docstring's first line unless a message is given.

        Raises:
            TypeError: A further member has the name of one that all problem details have.
        """
        if reserved := _RESERVED & extra.keys():
            msg = f"All problem details have these members: {', '.join(sorted(reserved))}."
            raise TypeError(msg)
        text = message or (inspect.getdoc(type(self)) or self.code).split("\n", 1)[0]
        super().__init__(text)
        self.message = text
        self.extra = extra


class PreconditionFailedError(ApplicationError):
    """The object was changed since you read it. Read it again."""

    code = "precondition_failed"
    status = HTTPStatus.PRECONDITION_FAILED
