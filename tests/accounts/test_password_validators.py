"""Which passwords are taken, and which are not."""

from __future__ import annotations

import secrets
import string
from types import SimpleNamespace

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.auth import backends
from apps.accounts.models import User

ALICE = SimpleNamespace(
    email="alice.liddell@wonderland.example", first_name="Alice", last_name="Liddell"
)
GUARDED = SimpleNamespace(**vars(ALICE), has_second_factor=True)


def fits(password, user=ALICE):
    try:
        validate_password(password, user)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "alice rides her bike to work",  # a name in it is fine where enough is left
        "ein sehr langer deutscher Satz",
        "пароль из нескольких слов",
        "7h#kQ2!vX9@pLm4$",
        "     blanks around it     ",
        "no river runs past this old mill " * 30,
    ],
)
def test_strong_password_is_accepted(password):
    assert fits(password)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short and good",
        " " * 20,
        "aaaaaaaaaaaaaaaa",
        "1234567890123456",
        "abcdefghijklmnop",
        "qwertyuiopasdfghjkl",
        "passwordpassword",
        "Password Password",
        "pass-word-123456",
        "!!!password!!!!!",
        "iloveyou20262026",
        "Alice.Liddell.2026",
        "alice liddell wonderland",
        "urfmp-robot-fleet",
        "abcabcabcabcabcabc",
        "no river runs past this old mill " * 31,  # 1,023 characters
    ],
)
def test_weak_password_is_rejected(password):
    assert not fits(password)


def test_eight_characters_with_second_factor_are_accepted():
    assert fits("mu7-Tok!", GUARDED)
    assert not fits("mu7-Tok!")
    assert not fits("mu7-Tok", GUARDED)
    assert not fits("12345678", GUARDED)
    assert not fits("sunshine", GUARDED)


def test_random_password_is_accepted():
    alphabet = string.ascii_letters + string.digits
    for _ in range(2000):
        assert fits("".join(secrets.choice(alphabet) for _ in range(15)))


@given(st.text(max_size=1100))
def test_any_text_is_validated(password):
    assert fits(password) in {True, False}
    assert fits(password, None) in {True, False}
    if not 15 <= len(password) <= 1000:
        assert not fits(password)


@pytest.mark.django_db
def test_password_beyond_1000_characters_is_not_hashed(alice, monkeypatch):
    hashed = []
    monkeypatch.setattr(User, "check_password", lambda _, text: hashed.append(text))
    monkeypatch.setattr(backends, "make_password", hashed.append)
    for email in ("alice@acme.example", "nobody@acme.example"):
        assert authenticate(username=email, password="x" * 1001) is None
        assert hashed == []
        authenticate(username=email, password="x" * 1000)
        assert hashed.pop() == "x" * 1000
