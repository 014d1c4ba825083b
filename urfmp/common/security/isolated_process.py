"""Parse files in processes of their own.

The parsers of file formats are the largest attack surface of an upload, and a small file can
unpack to gigabytes. An isolated process has limits of memory and time, and neither the database nor
its password. Programs therefore import neither Django nor the platform's configuration; this module
is what they and the web process share.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore

_ROOT = Path(__file__).resolve().parents[3]
# Isolated (-I): no folder or environment variable of this process is searched for modules.
_START = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]);"
    "importlib.import_module(sys.argv[2]).main(*sys.argv[3:])"
)


class ProcessBusyError(Exception):
    """Another file is being parsed."""


class ProcessFailedError(Exception):
    """The process was ended by a limit or an error."""


class IsolatedProgram:
    """A program that parses a file in a process of its own.

    It reads standard input and writes to standard output. One process at a time, because each can
    need hundreds of megabytes.
    """

    def __init__(self, module: str, *, timeout_seconds: float, max_wait_seconds: float) -> None:
        """Prepare the program.

        Args:
            module: Module whose `main` is the program.
            timeout_seconds: Time after which a process is ended.
            max_wait_seconds: How long a caller waits while another file is parsed.
        """
        self._module = module
        self._timeout_seconds = timeout_seconds
        self._max_wait_seconds = max_wait_seconds
        self._free = BoundedSemaphore(1)

    def run(self, content: bytes, *arguments: str) -> bytes:
        """Return what the program writes about a file.

        Call it outside of a transaction that holds locks.

        Args:
            content: Bytes of the file.
            arguments: Arguments of `main`.

        Raises:
            ProcessBusyError: Another file is still being parsed.
            ProcessFailedError: The process exceeded a limit, or failed.
        """
        if not self._free.acquire(timeout=self._max_wait_seconds):
            raise ProcessBusyError
        try:
            return subprocess.run(  # noqa: S603 - fixed arguments
                [sys.executable, "-I", "-c", _START, str(_ROOT), self._module, *arguments],
                input=content,
                capture_output=True,
                timeout=self._timeout_seconds,
                check=True,
                env={},
                cwd="/",
            ).stdout
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            raise ProcessFailedError from error
        finally:
            self._free.release()


def limit_own_resources(*, max_memory_bytes: int, max_cpu_seconds: int) -> None:
    """Limit this process for the rest of its life.

    It cannot write files.
    """
    resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (max_cpu_seconds, max_cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
