"""What a browser submits for a page's form without any change."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

_CHECKED = {"checkbox", "radio"}
_UNSENT = {"submit", "button", "image", "reset", "file"}


class _Controls(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self._select = ""
        self._options: list[tuple[str, bool]] = []
        self._textarea: str | None = None

    def _add(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        name = given.get("name") or ""
        if tag == "input" and name and given.get("type") not in _UNSENT:
            if given.get("type") not in _CHECKED or "checked" in given:
                self._add(name, given.get("value") or ("on" if "checked" in given else ""))
        elif tag == "select":
            self._select, self._options = name, []
        elif tag == "option" and self._select:
            self._options.append((given.get("value") or "", "selected" in given))
        elif tag == "textarea":
            self._textarea = name
            self._add(name, "")

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.values[self._textarea][-1] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = None
        elif tag == "select" and self._select and self._options:
            chosen = [value for value, is_chosen in self._options if is_chosen]
            self._add(self._select, (chosen or [self._options[0][0]])[0])
            self._select = ""


def form_values(answer: Any) -> dict[str, Any]:
    """Return the values of a page's controls; a list where a name is repeated."""
    controls = _Controls()
    controls.feed(answer.content.decode())
    controls.values.pop("csrfmiddlewaretoken", None)
    return {n: v if len(v) > 1 else v[0] for n, v in controls.values.items()}
