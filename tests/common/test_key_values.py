from __future__ import annotations

from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from urfmp.common.admin.key_values import KeyValueField, merged_entries, nested_names

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=8)
NAMES = NAMES.map(str.strip).filter(bool)
SIMPLE = (
    st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
)
SIMPLE |= NAMES | st.none()
NESTED = st.lists(SIMPLE, max_size=2) | st.dictionaries(NAMES, SIMPLE, max_size=2)


def submitted(rows):
    """Return what a browser sends for the rows of a rendered field."""
    data = QueryDict(mutable=True)
    for name, value in rows:
        data.appendlist("s_name", name)
        data.appendlist("s_value", value)
    return KeyValueField().widget.value_from_datadict(data, {}, "s")


@given(st.dictionaries(NAMES, SIMPLE | NESTED, max_size=5))
def test_unchanged_form_keeps_every_entry(stored):
    field = KeyValueField()
    rows = submitted([*field.prepare_value(stored), ("", "")])
    assert not field.has_changed(stored, rows)
    assert merged_entries(stored, field.clean(rows)) == stored
    assert set(nested_names(stored)) == stored.keys() - dict(field.prepare_value(stored)).keys()


def test_entries_are_added_changed_and_removed():
    stored = {"a": 1, "b": "x", "deep": [1]}
    rows = submitted([("a", "2.5"), ("", ""), ("c", "true"), ("d", "007"), ("e", "")])
    field = KeyValueField()
    assert field.has_changed(stored, rows)
    assert merged_entries(stored, field.clean(rows)) == {
        "a": 2.5, "c": True, "d": "007", "e": "", "deep": [1],
    }  # fmt: skip


def test_invalid_rows_get_errors():
    field = KeyValueField()
    for rows, message in (
        ([("", "x")], "Enter a name for the value x."),
        ([("a", "1"), ("a", "2")], "The name a is repeated."),
    ):
        try:
            field.clean(submitted(rows))
        except Exception as error:  # noqa: BLE001 - checked
            assert error.messages == [message]
        else:
            raise AssertionError(rows)
        assert field.has_changed({}, rows)


@given(NAMES)
def test_rendered_rows_are_escaped_and_labelled(text):
    field = KeyValueField()
    html = field.widget.render("s", [(f"<x {text}", f'"{text}')], {"id": "id_s"})
    assert "<x" not in html
    assert "&lt;x" in html
    assert html.count('id="id_s"') == 1
    assert html.count("aria-label=") == 6
