"""One rule for names and identifiers, in Python and in the database."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps import organizations
from urfmp.common.db.names import (
    CONTROL_MESSAGE,
    NOTHING_VISIBLE_MESSAGE,
    has_visible_character,
    identifier_error,
    name_error,
    normalize_identifier,
    normalize_name,
    validate_name,
)

INVISIBLE = [
    "\u200b", "Arm\u200b 1", "\u2060", "\ufeffArm", "Arm\u202egnp", "\u2066Arm\u2069", "A\u200fB",
    "\u3164", "\uffa0", "\u115f", "\u2800\u2800", "Ar\u00adm", "\U000e0041", "\ue000", "A\u034fB",
    "Arm\u200d", "\u200d", "A\ufe0f", "工場\u200b", "\uffff",
    "SN-1\U00013430", "SN\U0001343f-1", "SN-1\U00016fe4",
]  # fmt: skip
CONTROL = ["Arm\n1", "Arm\r\n1", "Ar\tm", "Ar\x1b[31mm", "Ar\u2028m", "Ar\x85m", "Ar\x00m"]
NAMES = [
    "Zürich - Halle 3", "क्\u200dष", "工場", "Müller-Ruiz 🤖", "⚠️ Tank 10²", "👩\u200d🔧 Team",
    "\u0645\u06cc\u200c\u062e\u0648", "葛\U000e0100城", "#️⃣ 1", "½ Palette", "Приводы", "مصنع",
]  # fmt: skip

any_text = st.text(max_size=40) | st.text(
    st.sampled_from(
        [*"aB1 ", "\u0301", "e", "\u200b", "\u200d", "\ufe0f", "\u00a0", "\n", "Å", "\uff12"]
    ),
    max_size=12,
)


@pytest.mark.parametrize("text", INVISIBLE)
def test_invisible_characters_are_rejected(text):
    for error in (name_error(normalize_name(text)), identifier_error(normalize_identifier(text))):
        assert error is not None
        assert error == NOTHING_VISIBLE_MESSAGE or error.startswith("Invisible characters")


@pytest.mark.parametrize("text", CONTROL)
def test_control_characters_are_rejected(text):
    assert name_error(normalize_name(text)) == CONTROL_MESSAGE
    assert identifier_error(normalize_identifier(text)) == CONTROL_MESSAGE


@pytest.mark.parametrize("name", NAMES)
def test_names_in_any_script_are_kept(name):
    assert normalize_name(name) == name
    validate_name(name)


def test_combining_mark_alone_is_rejected():
    with pytest.raises(ValidationError, match=NOTHING_VISIBLE_MESSAGE):
        validate_name("\u0301")


def test_look_alikes_become_equal():
    assert normalize_name("Zu\u0308rich\u00a0 Halle\u30003 ") == "Zürich Halle 3"
    assert normalize_identifier("\uff33\uff2e\uff0d\uff11\uff10") == "SN-10"
    assert normalize_identifier(" SN\u2002 1") == "SN 1"
    assert normalize_name("10²") == "10²"


@given(any_text)
@example("ﷺ")
@example("a\u00a8\u0301")
def test_normal_form_is_stable(text):
    for normalize, form in ((normalize_name, "NFC"), (normalize_identifier, "NFKC")):
        once = normalize(text)
        assert normalize(once) == once
        assert unicodedata.is_normalized(form, once)
        assert once == once.strip()


@given(any_text)
def test_accepted_text_is_visible(text):
    name = normalize_name(text)
    if name and name_error(name) is None:
        assert has_visible_character(name)
        assert len(name.splitlines()) == 1
        assert not any(unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs", "Co"} for c in name)
        assert all(c == " " for c in name if unicodedata.category(c) == "Zs")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it only reads
@given(st.lists(any_text, min_size=1, max_size=30))
def test_database_accepts_what_python_accepts(owner_cursor, texts):
    """The database has the same list of characters; Python checks more."""
    texts = [text.replace("\x00", "") for text in texts]
    names = [n for t in texts if (n := normalize_name(t)) and _is_known(n)]
    identifiers = [n for t in texts if (n := normalize_identifier(t)) and _is_known(n)]
    owner_cursor.execute(
        "SELECT array(SELECT is_name(t) FROM unnest(%s::text[]) WITH ORDINALITY AS u (t, n)"
        " ORDER BY n), array(SELECT is_identifier(t) FROM unnest(%s::text[]) WITH ORDINALITY"
        " AS u (t, n) ORDER BY n)",
        [names, identifiers],
    )
    stored_names, stored_identifiers = owner_cursor.fetchone()
    for name, is_stored in zip(names, stored_names, strict=True):
        assert is_stored or name_error(name) is not None, ascii(name)
    for identifier, is_stored in zip(identifiers, stored_identifiers, strict=True):
        assert is_stored or identifier_error(identifier) is not None, ascii(identifier)


def _is_known(text: str) -> bool:
    """Return whether this Python's Unicode has all characters, which can be encoded."""
    return all(unicodedata.category(character) not in {"Cn", "Cs"} for character in text)


@pytest.mark.parametrize("text", [*INVISIBLE, *CONTROL, " Arm", "Arm  1", "Zu\u0308rich", "\u00a0"])
def test_database_rejects_invisible_text(owner_cursor, text):
    if "\x00" in text:
        return  # PostgreSQL stores no such text at all
    owner_cursor.execute("SELECT is_identifier(%s), to_identifier(%s, 100)", [text, text])
    is_valid, repaired = owner_cursor.fetchone()
    assert is_valid is False
    assert repaired is None or identifier_error(repaired) is None


def _codes():
    """Return the code points of all planes with characters, and the ends of the others."""
    ends = (range(plane * 0x10000 + 0xFF00, (plane + 1) * 0x10000) for plane in range(17))
    found = {*range(1, 0xD800), *range(0xE000, 0x32000), *range(0xE0000, 0xE1100)}
    return sorted(found.union(*ends))


def test_database_knows_every_character_that_python_rejects(owner_cursor):
    """Between Han letters no modifier is stray, which Python alone rejects."""
    rejected, accepted = [], {"is_name": [], "is_visible_text": []}
    for code in _codes():
        text = f"工{chr(code)}工"
        if normalize_name(text) == text and name_error(text) is None:
            # The database may know a newer version of Unicode, with other normal forms.
            is_unassigned = unicodedata.category(chr(code)) == "Cn"
            accepted["is_visible_text" if is_unassigned else "is_name"].append(text)
        else:
            rejected.append(text)
    owner_cursor.execute("SELECT t FROM unnest(%s::text[]) AS t WHERE is_name(t)", [rejected])
    assert [ascii(text) for (text,) in owner_cursor] == []
    for function, texts in accepted.items():
        blocks = ["".join(texts[start : start + 64]) for start in range(0, len(texts), 64)]
        owner_cursor.execute(
            f"SELECT t FROM unnest(%s::text[]) AS t WHERE NOT {function}(t)", [blocks]
        )
        assert [ascii(text) for (text,) in owner_cursor] == []


def test_migration_marks_controls_in_stored_names(owner_cursor):
    folder = Path(organizations.__file__).parent / "sql"
    owner_cursor.execute((folder / "0011_hieroglyphic_controls.reverse.sql").read_text())
    owner_cursor.execute(
        "INSERT INTO organizations (name, slug) VALUES ('Hidden', 'hidden') RETURNING id"
    )
    (organization_id,) = owner_cursor.fetchone()
    for number in ("SN-1\U00013430", "SN-1\U00013431"):
        owner_cursor.execute(
            "INSERT INTO robots (organization_id, name, vendor, serial_number, configuration)"
            " VALUES (%s, %s, 'kuka', %s, '{}')",
            [organization_id, "Arm\U00016fe4 1", number],
        )
    owner_cursor.execute((folder / "0011_hieroglyphic_controls.sql").read_text())
    owner_cursor.execute(
        "SELECT name, serial_number FROM robots WHERE organization_id = %s ORDER BY serial_number",
        [organization_id],
    )
    assert owner_cursor.fetchall() == [
        ("Arm_16fe4_ 1", "SN-1_13430_"), ("Arm_16fe4_ 1", "SN-1_13431_"),
    ]  # fmt: skip
