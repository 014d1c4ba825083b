from __future__ import annotations

import base64
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from urfmp.common.security.field_encryption import (
    DecryptionError,
    decrypt,
    encrypt,
    is_encrypted_with_newest_key,
)
from urfmp.env import encryption_keys

PLACE = {"organization_id": uuid.uuid4(), "row_id": uuid.uuid4(), "field": "seed"}
TEXT = "JBSWY3DPEHPK3PXP"


@given(st.text(st.characters(codec="utf-8")))
def test_decrypt_returns_encrypted_text(text):
    assert decrypt(encrypt(text, **PLACE), **PLACE) == text


def test_encrypt_is_opaque_and_never_repeats():
    first, second = encrypt(TEXT, **PLACE), encrypt(TEXT, **PLACE)
    assert first != second
    for sealed in (first, second):
        assert TEXT not in sealed
        assert TEXT.encode() not in base64.urlsafe_b64decode(sealed.rpartition(".")[2])


@pytest.mark.parametrize("part", list(PLACE))
def test_decrypt_other_row_or_field_raises(part):
    sealed = encrypt(TEXT, **PLACE)
    elsewhere = {**PLACE, part: "other" if part == "field" else uuid.uuid4()}
    with pytest.raises(DecryptionError):
        decrypt(sealed, **elsewhere)


@given(st.data())
def test_decrypt_changed_value_raises(data):
    sealed = encrypt(TEXT, **PLACE)
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c != sealed[at]))
    changed = sealed[:at] + other + sealed[at + 1 :]
    try:
        assert decrypt(changed, **PLACE) == TEXT  # a bit that base64 does not use
    except DecryptionError as error:
        assert TEXT not in str(error)


@given(st.text(max_size=40))
def test_decrypt_other_text_raises(text):
    with pytest.raises(DecryptionError):
        decrypt(text, **PLACE)


def test_key_rotation(settings):
    old, new = "o" * 43, "n" * 43
    settings.ENCRYPTION_KEYS = {1: old}
    sealed = encrypt(TEXT, **PLACE)
    settings.ENCRYPTION_KEYS = {1: old, 2: new}
    assert decrypt(sealed, **PLACE) == TEXT
    assert not is_encrypted_with_newest_key(sealed)
    fresh = encrypt(TEXT, **PLACE)
    assert is_encrypted_with_newest_key(fresh)
    settings.ENCRYPTION_KEYS = {2: new}
    assert decrypt(fresh, **PLACE) == TEXT
    with pytest.raises(DecryptionError, match="number 1"):
        decrypt(sealed, **PLACE)
    settings.ENCRYPTION_KEYS = {1: new, 2: new}
    with pytest.raises(DecryptionError):
        decrypt(sealed, **PLACE)


def test_encryption_keys_are_parsed():
    assert encryption_keys(f" 1:{'a' * 43}, 12:{'b' * 60} ", lenient=False) == {
        1: "a" * 43,
        12: "b" * 60,
    }
    assert encryption_keys("1:short", lenient=True) == {1: "short"}


@pytest.mark.parametrize(
    "text", ["", "short", "1:hunter2", "x:" + "h" * 43, f"1:{'h' * 43},1:{'i' * 43}", "h" * 60]
)
def test_encryption_keys_invalid_raises(text):
    with pytest.raises(ImproperlyConfigured) as caught:
        encryption_keys(text, lenient=False)
    assert "hunter2" not in str(caught.value)
    assert "hhh" not in str(caught.value)
