"""Short device names for lists of sessions."""

from __future__ import annotations

# The order matters: many browsers also send the names of browsers they are compatible with.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_OPERATING_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_name(user_agent: str | None) -> str:
    """Return a short device name such as `Firefox on Windows`.

    A program that is not a browser is listed under its own name. The header is untrusted: the name
    helps users to recognise their devices and is not used for any decision.
    """
    text = user_agent or ""
    browser = next((name for token, name in _BROWSERS if token in text), "")
    system = next((name for token, name in _OPERATING_SYSTEMS if token in text), "")
    if not browser:
        return text.split("/", 1)[0].strip()[:40] or "Unknown device"
    return f"{browser} on {system}" if system else browser
