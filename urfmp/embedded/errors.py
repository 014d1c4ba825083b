from __future__ import annotations


class EmbeddedError(Exception):
    """Something that the person at the keyboard can mend; the message says how."""
