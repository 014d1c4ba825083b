from __future__ import annotations

from urfmp.embedded.paths import Places


def demo(places: Places, *, host: str, port: int | None) -> int:
    """Run the demo."""
    raise NotImplementedError(places, host, port)
