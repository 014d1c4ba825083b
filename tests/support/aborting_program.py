"""A program of an isolated process that dies."""

from __future__ import annotations

import os


def main(*arguments):
    """Abort the process, whatever its arguments."""
    os.abort()
