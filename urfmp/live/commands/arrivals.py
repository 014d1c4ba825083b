"""The authentication of robots that begin to wait, many at a time."""

from __future__ import annotations

import asyncio

from urfmp.live.authentication import PresentedCredential
from urfmp.live.commands.queries import Device, authenticate_devices
from urfmp.live.http.errors import HttpError
from urfmp.live.query_threads import QueryThreadPool

_MAX_BATCH = 200
_MAX_CONCURRENT_BATCHES = 2


class DeviceAuthenticator:
    """Authenticates robots in batches.

    Those that arrive while batches are processed form the next one. A robot that arrives alone does
    not wait.
    """

    def __init__(self, queries: QueryThreadPool) -> None:
        """Initialize the authenticator.

        Args:
            queries: Threads for the queries.
        """
        self._queries = queries
        self._arrived: list[tuple[PresentedCredential, asyncio.Future[Device]]] = []
        self._batches: set[asyncio.Task[None]] = set()

    async def authenticate(self, credential: PresentedCredential) -> Device:
        """Authenticate a robot's key, and record the contact.

        Raises:
            HttpError: 401 for an invalid key; 403 for a key without robot or scope, or at an
                address that it does not allow.
            TimeoutError: The database does not respond in time.
        """
        future: asyncio.Future[Device] = asyncio.get_running_loop().create_future()
        self._arrived.append((credential, future))
        self._start_batches()
        return await future

    def _start_batches(self) -> None:
        while self._arrived and len(self._batches) < _MAX_CONCURRENT_BATCHES:
            batch, self._arrived = self._arrived[:_MAX_BATCH], self._arrived[_MAX_BATCH:]
            task = asyncio.create_task(self._process(batch))
            self._batches.add(task)
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._start_batches()

    async def _process(
        self, batch: list[tuple[PresentedCredential, asyncio.Future[Device]]]
    ) -> None:
        waiting = [(credential, future) for credential, future in batch if not future.done()]
        results: list[Device | HttpError] | list[Exception]
        try:
            results = await self._queries.run(
                authenticate_devices, [credential for credential, _ in waiting]
            )
        except Exception as error:  # noqa: BLE001 - raised where the robots wait
            results = [error] * len(waiting)
        for (_, future), result in zip(waiting, results, strict=True):
            if future.done():  # the client has disconnected
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
