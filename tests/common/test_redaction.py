from __future__ import annotations

import io
import logging
import time
import uuid

import pytest

from apps.accounts.selectors.api_tokens import generate_access_token, generate_refresh_token
from apps.accounts.selectors.key_format import generate_key
from apps.accounts.selectors.one_time_links import generate_link_token
from urfmp.common.security.redaction import (
    SECRET,
    RedactedRecord,
    is_secret_name,
    redact,
    redact_text,
)

CREDENTIALS = [generate_key, generate_access_token, generate_refresh_token, generate_link_token]


@pytest.mark.parametrize(
    "name",
    [
        "password", "new_password1", "old_password", "PASSWORD", "passwd", "passphrase", "secret",
        "client_secret", "token", "access_token", "refreshToken", "apiKey", "api_key", "key",
        "x-api-key", "private_key", "Authorization", "Cookie", "Set-Cookie", "otp", "totp", "pin",
        "code", "recovery_codes", "backup_code", "credentials", "csrfmiddlewaretoken",
        "connection_config", "key_hash", "webhook.secret",
        "passwords", "old_passwords", "passphrases", "pwds", "tokens", "refreshTokens", "secrets",
        "client-secrets", "api_keys", "apiKeys", "private_keys", "secret_key", "encryption_keys",
        "signing_key", "otps", "signatures", "key_hashes",
    ],
)  # fmt: skip
def test_is_secret_name_secret_names(name):
    assert is_secret_name(name)
    assert redact({"outer": [{name: "value of it"}]}) == {"outer": [{name: SECRET}]}


@pytest.mark.parametrize(
    "name",
    ["name", "email", "error_code", "status_code", "key_prefix", "monkey", "tokens_left",
     "spinning", "passed", "keyboard", "pinned", "secretary", "decode", "resource_id",
     "keys", "codes", "hotkeys", "monkeys", "key_names", "public_key", "primary_keys", "passes",
     "tokens_per_second", "secrets_rotated_at", "pins", "rehashed", "digest_signed"],
)  # fmt: skip
def test_is_secret_name_other_names(name):
    assert not is_secret_name(name)
    assert redact({name: "value"}) == {name: "value"}


def test_redact_keeps_counts():
    for value in (
        {"passwords": 3, "tokens": 0, "api_keys": {"used": 3, "limit": None}},
        {"usage": {"secrets": 12}, "credentials": 2},
    ):
        assert redact(value) == value
    assert redact({"token": 123456, "passcode": 9, "otps": 1}) == {
        "token": SECRET, "passcode": SECRET, "otps": SECRET
    }  # fmt: skip


def test_redact_replaces_whole_lists_and_objects():
    key = str(uuid.uuid4())
    for value in (["a", "b"], [1234], {"db": "hunter2", "port": 1}, [{"x": "y"}], (key, "z")):
        assert redact({"passwords": value}) == {"passwords": SECRET}
    assert redact({"api_keys": [key, key]}) == {"api_keys": [key, key]}


def test_redact_keeps_ids_booleans_and_empty_values():
    key = str(uuid.uuid4())
    for value in (key, None, True, "", {}):
        assert redact({"api_key": value}) == {"api_key": value}


@pytest.mark.parametrize("make", CREDENTIALS)
def test_redact_text_recognizes_own_credentials(make):
    credential = make()
    start = "_".join(credential.split("_")[:2])
    for text in (credential, f"GET /x?p={credential}&db=1", f'{{"a": "{credential}"}}'):
        assert credential not in redact_text(text)
        assert credential[-12:] not in redact_text(text)
    assert redact_text(f"the key {credential} is over") == f"the key {start}_{SECRET} is over"
    assert redact({credential: [credential]}) == {f"{start}_{SECRET}": [f"{start}_{SECRET}"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Bearer abcdefgh12345", "Authorization: [secret]"),
        ("{'Cookie': 'a=b; c=d', 'x': 1}", "{'Cookie': '[secret]', 'x': 1}"),
        ("sent Bearer abcdefgh12345 twice", "sent Bearer [secret] twice"),
        ("?password=hunter2&x=1", "?password=[secret]&x=1"),
        ('{"api_key": "abc", "n": 2}', '{"api_key": "[secret]", "n": 2}'),
        ("connect as urfmp_app@db", "connect as urfmp_app@db"),
        ("the password was wrong", "the password was wrong"),
        ("{'password': 'two words, one'}", "{'password': '[secret]'}"),
        ('password="it\'s long" n=1', 'password="[secret]" n=1'),
        ("recovery_code=ab12-cd34", "recovery_code=[secret]"),
        ("ENCRYPTION_KEYS='1:aa,2:bb'", "ENCRYPTION_KEYS='[secret]'"),
        ("SECRET_KEY=abc", "SECRET_KEY=[secret]"),
        ("urfmp_session=abc123; x=1", "urfmp_session=[secret]; x=1"),
        ("{'__Host-session': 'abc'}", "{'__Host-session': '[secret]'}"),
        ("sent basic dXNlcjpwYXNz==", "sent basic [secret]"),
        ("sent bearer abcdefgh12345", "sent bearer [secret]"),
        ("the token afterwards", "the token afterwards"),
        ("at postgres://urfmp:hun-ter@db/x", "at postgres://urfmp:[secret]@db/x"),
        ("at redis://:hunter2@db:6379/0", "at redis://:[secret]@db:6379/0"),
        ('{"passwords": ["a b", "c"], "n": 2}', '{"passwords": [secret], "n": 2}'),
        ("tokens=['a', 'b'] n=1", "tokens=[secret] n=1"),
        ("?tokens=abc,def", "?tokens=[secret],def"),
        ("api_keys: 3 of 20", "api_keys: 3 of 20"),
        ("secrets = hunter2", "secrets = [secret]"),
        ("password=['x']", "password=[secret]"),
        ("the tokens of the robot", "the tokens of the robot"),
        ("at http://localhost:8000/x@y", "at http://localhost:8000/x@y"),
    ],
)
def test_redact_text_examples(text, told):
    assert redact_text(text) == told
    assert redact_text(told) == told


@pytest.mark.parametrize(
    "part",
    [
        "a.",
        "a-",
        "x://",
        "://a:",
        "token ",
        "bearer ",
        "urfmp_",
        "'=\"",
        "secret='\\\\",
        "secrets=[",
        "tokens = ",
    ],
)
def test_redact_text_long_text_is_fast(part):
    text = part * (20_000 // len(part))
    start = time.perf_counter()
    redact_text(text)
    assert time.perf_counter() - start < 0.5


def test_redact_text_credential_inside_word():
    key = generate_key()
    assert key[-12:] not in redact_text(f"x{key}")
    assert key[-12:] not in redact_text(f"my_{key}")


def test_log_record_is_redacted():
    assert logging.getLogRecordFactory() is RedactedRecord
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("test.redaction")
    logger.addHandler(handler)
    key, password = generate_key(), "open-sesame-7"
    try:
        msg = f"password={password} {key}"
        raise ValueError(msg)  # noqa: TRY301
    except ValueError:
        logger.exception("with %s", key, stack_info=True)
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert "Traceback" in text
    assert key not in text
    assert password not in text
