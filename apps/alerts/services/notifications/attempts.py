"""Send one message, and classify the result. Nothing here uses the database."""

from __future__ import annotations

import logging
import smtplib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic

from django.core.mail import EmailMultiAlternatives

from urfmp.common.http.outgoing import (
    AddressNotAllowedError,
    Network,
    OutgoingRequestError,
    post,
)
from urfmp.common.mail import MailNotConfiguredError, require_mail_configured

logger = logging.getLogger(__name__)

# Answers of a webhook after which a later attempt may succeed, besides 5xx.
_TEMPORARY = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_MAX_RETRY_AFTER_SECONDS = 3_600


@dataclass(frozen=True)
class AttemptResult:
    """Result of an attempt.

    Attributes:
        is_delivered: Whether the receiver accepted the message.
        milliseconds: Duration of the attempt.
        code: Status of HTTP or SMTP, or None without an answer.
        error: Sentence for the delivery log; empty if delivered.
        is_rejected: Whether the receiver will not accept it later either.
        is_gone: Whether the receiver does not exist any more: the channel is disabled.
        retry_after_seconds: Time for which the receiver wants no attempt; 0 if it does not say.
    """

    is_delivered: bool
    milliseconds: int
    code: int | None = None
    error: str = ""
    is_rejected: bool = False
    is_gone: bool = False
    retry_after_seconds: int = 0


def webhook_result(
    url: str, body: bytes, headers: Callable[[int], dict[str, str]], allowed: list[Network]
) -> AttemptResult:
    """Post JSON to a webhook or to Alertmanager, and return the result.

    Args:
        url: URL of the receiver.
        body: JSON body.
        headers: Returns the headers of a time in seconds since 1970.
        allowed: Private networks that the organization allows.
    """
    start = monotonic()
    try:
        answer = post(url, body, headers(int(time.time())), allowed=allowed)
    except OutgoingRequestError as error:
        is_rejected = isinstance(error, AddressNotAllowedError)
        return AttemptResult(False, _elapsed(start), error=str(error), is_rejected=is_rejected)
    status = answer.status
    if 200 <= status < 300:
        return AttemptResult(True, answer.milliseconds, status)
    is_temporary = status in _TEMPORARY or status >= 500
    return AttemptResult(
        False,
        answer.milliseconds,
        status,
        error=_status_text(status),
        is_rejected=not is_temporary,
        is_gone=status == HTTPStatus.GONE,
        retry_after_seconds=_retry_after(answer.headers.get("retry-after", "")),
    )


def _status_text(status: int) -> str:
    if 300 <= status < 400:
        return f"The answer was {status}: redirects are not followed. Enter the final URL."
    phrase = HTTPStatus(status).phrase if status in {*HTTPStatus} else "unknown status"
    return f"The answer was {status} ({phrase})."


def _retry_after(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= 9
    return min(int(text), _MAX_RETRY_AFTER_SECONDS) if is_number else 0


def email_result(message: EmailMultiAlternatives) -> AttemptResult:
    """Send an e-mail and return the result."""
    start = monotonic()
    try:
        require_mail_configured()
        message.send()
    except MailNotConfiguredError as error:
        return AttemptResult(False, _elapsed(start), error=error.message)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()), (0, b""))
        return _smtp_failure(start, code, text)
    except smtplib.SMTPResponseException as error:
        return _smtp_failure(start, error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("An e-mail could not be sent: %s", error)
        return AttemptResult(
            False,
            _elapsed(start),
            error="The mail server cannot be reached, or closed the connection.",
        )
    return AttemptResult(True, _elapsed(start))


def _smtp_failure(start: float, code: int, text: bytes | str) -> AttemptResult:
    detail = text.decode(errors="replace") if isinstance(text, bytes) else text
    plain = "".join(character if character.isprintable() else " " for character in detail)
    error = f"The mail server answered {code}: {plain[:200]}"
    return AttemptResult(False, _elapsed(start), code or None, error, is_rejected=500 <= code < 600)


def _elapsed(start: float) -> int:
    return round((monotonic() - start) * 1000)
