"""A TCP proxy on this machine that fails as networks do: it cuts, or falls silent with the connections open."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

from tests.servers import HOST

CHUNK_BYTES = 64 * 1024
ANSWER_S_MAX = 10.0
# Closing with this sends a reset, as a router does that has forgotten the connection.
_LINGER_NONE = struct.pack("ii", 1, 0)

# The number of a connection, whether it is the client who speaks, and what is said (empty: the connection is over).
Tap = Callable[[int, bool, bytes], None]
T = TypeVar("T")


class TcpProxy:
    """Passes bytes between clients and `upstream_port`, until it is told to fail."""

    def __init__(self, upstream_port: int, tap: Tap | None = None) -> None:
        """Listen on a free port; `tap` is told what is passed on."""
        self.upstream_port = upstream_port
        self._tap: Tap = tap or (lambda _number, _is_client, _data: None)
        self._numbers = count(1)
        self._connections: set[_Connection] = set()
        self._is_cut = False
        self._is_silent = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, HOST, 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset every connection, and each new one at once, until `heal`."""
        self._is_cut = True
        self._do(self._reset(self._connections))

    def silence(self) -> None:
        """Pass nothing on any more; connections stay open, new ones are taken, and nobody hears anything."""
        self._is_silent = True
        self._do(self._hush())

    def heal(self, *, forget: bool = False) -> None:
        """Serve again. What was silent is reset, or with `forget` never heard of again: only new connections work."""
        self._is_cut = self._is_silent = False
        silent = {connection for connection in self._connections if not connection.passing.is_set()}
        if not forget:
            self._do(self._reset(silent))
            return
        for connection in silent:
            self._tap(connection.number, False, b"")

    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    def close(self) -> None:
        """Cut everything and end."""
        self.cut()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, action: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, self._loop).result(ANSWER_S_MAX)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(next(self._numbers), writer)
        if self._is_cut:
            connection.reset()
            return
        self._connections.add(connection)
        if not self._is_silent:
            connection.passing.set()
        connection.task = asyncio.current_task()
        try:
            await connection.passing.wait()
            await self._join(connection, reader)
        except (OSError, asyncio.CancelledError):
            connection.reset()
        finally:
            connection.close()
            self._connections.discard(connection)
            self._tap(connection.number, False, b"")

    async def _join(self, connection: "_Connection", reader: asyncio.StreamReader) -> None:
        upstream, writer = await asyncio.open_connection(HOST, self.upstream_port)
        connection.writers.append(writer)
        pumps = [
            asyncio.ensure_future(self._pump(connection, reader, writer, is_client=True)),
            asyncio.ensure_future(self._pump(connection, upstream, connection.writers[0], is_client=False)),
        ]
        try:
            # One side that has ended ends the other: none of the protocols here says more after its end.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, connection: "_Connection", source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_client: bool
    ) -> None:
        while data := await source.read(CHUNK_BYTES):
            await connection.passing.wait()
            self._tap(connection.number, is_client, data)
            target.write(data)
            await target.drain()

    async def _hush(self) -> None:
        for connection in self._connections:
            connection.passing.clear()

    async def _reset(self, connections: "set[_Connection]") -> None:
        tasks = []
        for connection in list(connections):
            connection.reset()
            if connection.task is not None:
                connection.task.cancel()
                tasks.append(connection.task)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self) -> None:
        self._server.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), 1)


class _Connection:
    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writers = [writer]
        self.passing = asyncio.Event()
        self.task: asyncio.Task[Any] | None = None

    def reset(self) -> None:
        for writer in self.writers:
            opened: socket.socket | None = writer.get_extra_info("socket")
            if opened is not None and not writer.transport.is_closing():
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
                writer.transport.abort()

    def close(self) -> None:
        for writer in self.writers:
            writer.close()
