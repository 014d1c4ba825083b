"""Outgoing e-mail: plain text, from one template for each occasion.

Send from a job, never from a request: a mail server may be slow or down, and a job is retried.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.timezone import override

from urfmp.common.db.fields import is_one_line
from urfmp.common.exceptions import ApplicationError
from urfmp.common.rendering.formats import DEFAULT_LOCALE, number_locale
from urfmp.common.time.zones import zone_or_utc


class MailNotConfiguredError(ApplicationError):
    """This installation cannot send e-mail. Its operator must set EMAIL_HOST."""

    code = "mail_not_configured"


def require_mail_configured() -> None:
    """Require that e-mail can be sent.

    Call it before a user is asked to wait for an e-mail.

    Raises:
        MailNotConfiguredError: Neither a mail server nor a folder is configured.
    """
    if not settings.MAIL_IS_CONFIGURED:
        raise MailNotConfiguredError


def mail_send(
    *,
    to: str,
    subject: str,
    template: str,
    context: dict[str, Any],
    timezone: str = "UTC",
    locale: str = DEFAULT_LOCALE,
) -> None:
    """Send one e-mail to one recipient.

    Args:
        to: E-mail address.
        subject: Subject; line breaks and control characters in it are removed.
        template: Text template, such as `mail/reset.txt`; it may use `product` and `origin`.
        context: Variables of the template.
        timezone: IANA name of the recipient's timezone.
        locale: Locale of numbers.

    Raises:
        MailNotConfiguredError: Neither a mail server nor a folder is configured.
        OSError: The mail server is unreachable or rejects the e-mail; try again later.
    """
    require_mail_configured()
    values = {"product": "URFMP", "origin": settings.WEB_ORIGIN, **context}
    with override(zone_or_utc(timezone)), number_locale(locale):
        text = render_to_string(template, values)
    EmailMessage(
        subject=f"[URFMP] {_one_line(subject)}",
        body=text,
        to=[to],
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834: suppresses auto-replies
    ).send()


def _one_line(text: str) -> str:
    """Return a text without line breaks and control characters."""
    plain = (character if is_one_line(character) else " " for character in text)
    return " ".join("".join(plain).split())
