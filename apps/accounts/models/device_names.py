"""What a browser or program is called in a list of sign-ins."""

from __future__ import annotations

# In this order: many browsers also carry the names of those they are compatible with.
_PROGRAMS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_name(user_agent: str | None) -> str:
    """Return a short name such as `Firefox on Windows`; a program's own name if it is no browser.

    The header is whatever the client wrote: it helps people to recognise their own devices and
    decides nothing.
    """
    text = user_agent or ""
    program = next((name for mark, name in _PROGRAMS if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    if not program:
        return text.split("/", 1)[0].strip()[:40] or "Unknown device"
    return f"{program} on {system}" if system else program
