"""Outgoing e-mail: plain text, optionally with HTML, from templates for each occasion.

Send from a job, never from a request: a mail server may be slow or down, and a job is retried.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
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
    mail_message(
        to=to, subject=subject, template=template, context=context, timezone=timezone, locale=locale
    ).send()


def mail_message(
    *,
    to: str,
    subject: str,
    template: str,
    context: dict[str, Any],
    timezone: str = "UTC",
    locale: str = DEFAULT_LOCALE,
    html_template: str | None = None,
    headers: dict[str, str] | None = None,
) -> EmailMultiAlternatives:
    """Render an e-mail to one recipient, which the caller sends.

    Args:
        to: E-mail address.
        subject: Subject; line breaks and control characters in it are removed.
        template: Text template; it may use `product` and `origin`.
        context: Variables of the templates.
        timezone: IANA name of the recipient's timezone.
        locale: Locale of numbers.
        html_template: Template of the HTML alternative, or None.
        headers: Further headers.
    """
    values = {"product": "URFMP", "origin": settings.WEB_ORIGIN, **context}
    with override(zone_or_utc(timezone)), number_locale(locale):
        text = render_to_string(template, values)
        html = render_to_string(html_template, values) if html_template else None
    message = EmailMultiAlternatives(
        subject=f"[URFMP] {_one_line(subject)}",
        body=text,
        to=[to],
        # RFC 3834: suppresses auto-replies
        headers={"Auto-Submitted": "auto-generated", **(headers or {})},
    )
    if html is not None:
        message.attach_alternative(html, "text/html")
    return message


def _one_line(text: str) -> str:
    """Return a text without line breaks and control characters."""
    plain = (character if is_one_line(character) else " " for character in text)
    return " ".join("".join(plain).split())
