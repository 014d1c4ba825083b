"""Redaction of secrets in requests, errors and logs, by name and format.

The audit trigger masks listed columns itself; this module covers all that services write.
"""

from __future__ import annotations

import logging
import logging.config
import re
from typing import Any
from uuid import UUID

SECRET = "[secret]"  # noqa: S105 - the placeholder

# Names of values that are secret, as a whole name or as its last words.
_NAME = re.compile(
    r"(?:^|[_\-. ])(?:"
    r"pass(?:(?:word|wd|phrase|code)s?)?\d*|pwds?|secrets?|tokens?"
    r"|(?:api|private|secret|signing|encryption|checkpoint)[_\-]?keys?"
    r"|authorization|cookies?|set[_\-]cookie|t?otps?|pin|(?:recovery|backup|one[_\-]time)[_\-]codes?"
    r"|credentials?|csrfmiddlewaretoken|signatures?|connection[_\-]config|hash(?:es)?"
    r")$|^code$|^key$",
    re.IGNORECASE,
)
# Plural names, under which a number is a count.
_PLURAL = re.compile(
    r"(?:words|wds|phrases|secrets|tokens|keys|credentials|cookies|hashes)$", re.IGNORECASE
)
# Splits camel case into words: apiKey, accessToken.
_CAMEL_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Our own credentials; the prefix that names their kind is kept.
_CREDENTIAL = re.compile(
    r"(?:urfmp_(?=(?:live|at|rt|ln)_)|\burfmp_)(live|at|rt|ln|[a-z]{2,6})_(?!app\b)[A-Za-z0-9_\-]{8,}"
)
# Our cookies, under any of their names.
_COOKIE = re.compile(
    r"(?i)\b((?:urfmp_|__Host-)(?:session|pending|device|csrf))"
    r"(['\"]?\s*[:=]\s*+['\"]?+)(?!\[secret\])[^\s'\"&,;)}\]]+"
)
# The password in a URL, as drivers of databases and mail servers quote it.
_USER_INFO = re.compile(r"([a-zA-Z]://[^\s/?#@:]*:)(?!\[secret\]@)[^\s/?#@]+@")
_HEADER = re.compile(
    r"(?i)\b(authorization|proxy-authorization|cookie|set-cookie|x-api-key)"
    r"(['\"]?\s*[:=]\s*+['\"]?+)(?!\[secret\])[^'\"\r\n]+"
)
# Schemes match in any case. In lower or upper case they are also plain words, so the next text must
# contain a digit or an equals sign.
_SCHEME = re.compile(
    r"\b(Bearer|Basic|Token|(?:bearer|basic|token|BEARER|BASIC|TOKEN)(?=\s+[\w.~+/:\-]*[\d=]))"
    r"\s+(?!realm=|\[secret\])[A-Za-z0-9._~+/=:\-]{8,}"
)
_PAIR = re.compile(
    r"(?i)(password|passwd|passphrase|secret|token|api_?key|otp|connection_config"
    r"|(?:recovery|backup)_codes?|(?:secret|checkpoint|encryption|private)_keys?"
    # Plural names, unless a count follows.
    r"|(?:password|passwd|passphrase|secret|token|api_?key)s(?=['\"]?\s*[:=](?!\s*\d+\b)))"
    r"(['\"]?\s*[:=]\s*+)"
    # A whole list, a whole quoted text, or one word.
    r"(?!['\"]?\[secret\])"
    r"(?:\[[^\]\r\n]*+\]?|(\")(?:[^\"\\\r\n]|\\.)++(?=\")|(')(?:[^'\\\r\n]|\\.)++(?=')|['\"]?+[^\s'\"&,;)}\]]+)"
)
_MAX_TEXT_LENGTH = 20_000


def is_secret_name(name: str) -> bool:
    """Return whether a value under this name is secret."""
    return _NAME.search(_CAMEL_BOUNDARY.sub("_", name)) is not None


def redact(value: Any) -> Any:
    """Return a JSON value with its secrets redacted.

    Secrets are recognized by their name or their format; ids are kept.
    """
    if isinstance(value, dict):
        return {
            redact_text(str(name)): SECRET
            if is_secret_name(str(name)) and not _is_count(str(name), item) and _is_revealing(item)
            else redact(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def _is_count(name: str, value: Any) -> bool:
    """Return whether a value under a plural name is a count.

    That is a number, or `used` and `limit` of a plan.
    """
    if _PLURAL.search(name) is None:
        return False
    figures = list(value.values()) if isinstance(value, dict) else [value]
    return all(isinstance(figure, int) or figure is None for figure in figures)


def _is_revealing(value: Any) -> bool:
    """Return whether a value could reveal a secret.

    Ids, booleans and empty values cannot.
    """
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return False
    if isinstance(value, list | tuple):
        return any(_is_revealing(item) for item in value)
    try:
        UUID(str(value))
    except ValueError:
        return True
    return False


def redact_text(text: str) -> str:
    """Return a text with credentials and named secrets redacted."""
    if len(text) > _MAX_TEXT_LENGTH:
        text = text[:_MAX_TEXT_LENGTH] + "\u2026"
    text = _CREDENTIAL.sub(rf"urfmp_\1_{SECRET}", text)
    text = _HEADER.sub(rf"\1\2{SECRET}", text)
    text = _SCHEME.sub(rf"\1 {SECRET}", text)
    text = _COOKIE.sub(rf"\1\2{SECRET}", text)
    text = _USER_INFO.sub(rf"\1{SECRET}@", text)
    return _PAIR.sub(_masked_pair, text)


def _masked_pair(match: re.Match[str]) -> str:
    quote = match[3] or match[4] or ""
    return f"{match[1]}{match[2]}{quote}{SECRET}"


class RedactedRecord(logging.LogRecord):
    """A log record with redacted message and traceback.

    It protects every handler, including the servers'.
    """

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        """Return the message with its arguments, redacted."""
        return redact_text(super().getMessage())

    def __setattr__(self, name: str, value: Any) -> None:
        """Redact the traceback when a formatter sets it."""
        if name in {"exc_text", "stack_info"} and isinstance(value, str):
            value = redact_text(value)
        super().__setattr__(name, value)


def configure_logging(config: dict[str, Any]) -> None:
    """Configure logging from the settings, with redacted records."""
    logging.setLogRecordFactory(RedactedRecord)
    logging.config.dictConfig(config)
