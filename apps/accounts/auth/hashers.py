"""Argon2 with a limit on concurrent hashes.

One hash takes 100 MB and all processors for a moment. Anonymous clients can request any number of
them at the same time, which must not exhaust memory or the threads that serve other requests, such
as an emergency stop.
"""

from __future__ import annotations

from threading import BoundedSemaphore, Lock
from types import TracebackType

from django.contrib.auth.hashers import Argon2PasswordHasher

from apps.accounts.exceptions import PasswordHashingOverloadedError

# Per process. Each waiting request occupies one of 16 threads; the 10 attempts of one account fit.
_MAX_CONCURRENT = 2
_MAX_RUNNING_OR_QUEUED = 10


class ConcurrencyLimiter:
    """Let a few callers run and some wait; reject the others."""

    def __init__(self, max_concurrent: int, max_running_or_queued: int) -> None:
        """Set the limits.

        Args:
            max_concurrent: Number of callers that run at the same time.
            max_running_or_queued: Number of callers that run or wait.
        """
        self._semaphore = BoundedSemaphore(max_concurrent)
        self._lock = Lock()
        self._available = max_running_or_queued

    def __enter__(self) -> None:
        """Wait until fewer callers run.

        Raises:
            PasswordHashingOverloadedError: Too many callers wait already.
        """
        with self._lock:
            if not self._available:
                raise PasswordHashingOverloadedError
            self._available -= 1
        self._semaphore.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next caller run."""
        self._semaphore.release()
        with self._lock:
            self._available += 1


_limiter = ConcurrencyLimiter(_MAX_CONCURRENT, _MAX_RUNNING_OR_QUEUED)


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Django's Argon2 hasher with a limit on concurrent hashes per process."""

    def encode(self, password: str, salt: str) -> str:
        """Hash a password.

        Raises:
            PasswordHashingOverloadedError: Too many passwords are being hashed.
        """
        with _limiter:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Compare a password with a hash.

        Raises:
            PasswordHashingOverloadedError: Too many passwords are being hashed.
        """
        with _limiter:
            return super().verify(password, encoded)
