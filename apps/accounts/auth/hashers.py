"""Argon2 within bounds.

One hash takes 100 MB and every processor for a moment. Whoever asks for a hundred at the same time,
which nobody has to be signed in for, must find neither the memory nor the threads that serve
everything else: a stop among it.
"""

from __future__ import annotations

from threading import BoundedSemaphore, Lock
from types import TracebackType

from django.contrib.auth.hashers import Argon2PasswordHasher

from apps.accounts.exceptions import PasswordHashingOverloadedError

# In each process. Whoever waits holds one of 16 threads; one account's ten attempts find room.
_AT_ONCE, _WITH_WAITING = 2, 10


class ConcurrencyLimiter:
    """Where few work at once, some wait, and the others are sent away."""

    def __init__(self, at_once: int, with_waiting: int) -> None:
        self._free = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._places = with_waiting

    def __enter__(self) -> None:
        """Wait for a turn.

        Raises:
            PasswordHashingOverloadedError: Too many wait already.
        """
        with self._lock:
            if not self._places:
                raise PasswordHashingOverloadedError
            self._places -= 1
        self._free.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        self._free.release()
        with self._lock:
            self._places += 1


_limiter = ConcurrencyLimiter(_AT_ONCE, _WITH_WAITING)


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Django's, with a bound on how many hashes a process makes at the same time."""

    def encode(self, password: str, salt: str) -> str:
        """Hash a password.

        Raises:
            PasswordHashingOverloadedError: Too many are being hashed.
        """
        with _limiter:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Compare a password with a hash.

        Raises:
            PasswordHashingOverloadedError: Too many are being hashed.
        """
        with _limiter:
            return super().verify(password, encoded)
