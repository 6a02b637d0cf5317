"""A TCP way to a server that can be made half-open: everything is swallowed, and neither side is told."""

import contextlib
import socket
import threading
from typing import Self

HOST = "127.0.0.1"


class HalfOpenWay:
    """Listens at `port` and passes on to `server_port`; what is sent over a swallowed connection comes to nothing."""

    def __init__(self, server_port: int) -> None:
        """Pass on at first."""
        self._server_port = server_port
        self._passing = threading.Event()
        self._passing.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def swallow(self) -> None:
        """Pass on nothing more, not even the end; new connections are made and hear nothing."""
        self._passing.clear()

    def heal(self) -> None:
        """Pass on what comes over connections made from now on."""
        self._passing.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                if self._passing.is_set():
                    server = socket.create_connection((HOST, self._server_port))
                    self._sockets.append(server)
                    for pair in ((client, server), (server, client)):
                        threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self._passing.is_set():
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
