"""Words that prose does not use, in docstrings, comments, messages, pages and documents.

`docs/glossary.md` has the words to use instead.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("apps", "urfmp", "tests", "benchmarks", "examples")
MAX_SUMMARY_WORDS = 12

BANNED = {
    # A sentence's subject is a domain noun: user, API key, session, request, row.
    r"\b(whoever|whomever|somebody|nobody|anybody|everybody)\b": "name the user, key or row",
    r"\b(?<!there )(is|are|was|were) no\b(?! (longer|more|less|later|earlier|worse|better)\b)":
        "is not a, cannot be",
    # The field's verb: return, reject, validate, acquire, revoke, expire, cache.
    r"\b(tells?|telling|told)\b": "return, report, notify",
    r"\b(stands?|stood)\b": "is, is stored, applies",
    r"\b(comes?|came|coming) back\b": "return, reconnect",
    r"\b(gives?|gave|given|giving) (back|up|out|away)\b": "release, return, abort, issue",
    r"\b(takes?|took|taken|taking) (in|out|away|up|back)\b": "accept, remove, start, revoke",
    r"\blet(s|ting)? go\b": "release",
    # One word for one thing.
    r"\bthe record\b": "audit log",
    r"\bsign-ins?\b": "session, login",
    r"\bremembered\b": "cached",
    r"(?<!connection )\brefus(e|es|ed|al|als|ing)\b": "reject, deny",
}  # fmt: skip
PATTERNS = [(re.compile(pattern, re.IGNORECASE), word) for pattern, word in BANNED.items()]
# A summary says what a function does, not what it is about.
NOT_IMPERATIVE = re.compile(
    r"(what|who|whom|whose|which|whether|how|where|when|if|that)\b", re.IGNORECASE
)


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                yield node.body[0].lineno, text, is_function


def _python(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment and of each string that has a blank in it."""
    source = path.read_text()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []

    def handle_data(self, data: str) -> None:
        self.found.append((self.getpos()[0], data))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"title", "placeholder", "alt"} or name.startswith("aria-"):
                self.found.append((self.getpos()[0], value or ""))


def _html(path: Path) -> Iterator[tuple[int, str]]:
    parser = _Text()
    parser.feed(re.sub(r"{[%#].*?[%#]}", "", path.read_text(), flags=re.DOTALL))
    yield from parser.found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document without code spans, which quote names and words."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        yield number, re.sub(r"`[^`]*`", "", line)


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments of a script in JavaScript, CSS or SQL, and its quoted messages."""
    text = path.read_text()
    pattern = (
        r"(?<!:)//[^\n]*|/\*.*?\*/|--[^\n]*|\"[^\"\n]* [^\"\n]*\"|'[^'\n]* [^'\n]*'|`[^`]* [^`]*`"
    )
    for found in re.finditer(pattern, text, re.DOTALL):
        yield text.count("\n", 0, found.start()) + 1, found.group()


def _files() -> Iterator[tuple[Path, Iterator[tuple[int, str]]]]:
    for path in python_files():
        yield path, _python(path)
    for path in sorted((ROOT / "templates").rglob("*.html")):
        yield path, _html(path)
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile"]
    texts += [ROOT / ".env.example", ROOT / "docker-compose.yml", ROOT / "Dockerfile"]
    for path in [*texts, *(ROOT / "templates").rglob("*.txt")]:
        yield path, _lines(path)
    for pattern in ("urfmp/**/*.js", "urfmp/**/*.css", "apps/**/sql/*.sql", "urfmp/**/sql/*.sql"):
        for path in sorted(ROOT.glob(pattern)):
            yield path, _comments(path)


def python_files() -> list[Path]:
    return [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


def banned(text: str) -> Iterator[str]:
    for pattern, word in PATTERNS:
        for found in pattern.finditer(text):
            yield f"{found.group()!r} ({word})"


def test_prose_has_no_banned_words():
    found = [
        f"{path.relative_to(ROOT)}:{line} {what}"
        for path, texts in _files()
        if path != Path(__file__)
        for line, text in texts
        for what in banned(text)
    ]
    assert not found, f"{len(found)} banned words:\n" + "\n".join(found)


def test_summaries_are_short_and_imperative():
    found = []
    for path in python_files():
        if path.is_relative_to(ROOT / "tests"):
            continue
        for line, text, is_function in _docstrings(ast.parse(path.read_text())):
            summary = text.split("\n\n")[0]
            where = f"{path.relative_to(ROOT)}:{line}"
            if len(summary.split()) > MAX_SUMMARY_WORDS:
                found.append(f"{where} has {len(summary.split())} words")
            if is_function and NOT_IMPERATIVE.match(summary):
                found.append(f"{where} is not imperative: {summary.split()[0]}")
    assert not found, f"{len(found)} summaries:\n" + "\n".join(found)


def test_banned_words_are_found():
    assert list(banned("Whoever asks is told"))
    assert list(banned("It is no robot"))
    assert not list(banned("There is no robot"))
    assert not list(banned("A standard, misunderstood connection refused; it is no longer valid"))
