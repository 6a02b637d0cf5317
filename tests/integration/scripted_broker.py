"""A broker that says what it was told to, for what no real broker here can be brought to say."""

import contextlib
import socket
import threading
from typing import Self

HOST = "127.0.0.1"
CONNACK = b"\x20\x03\x00\x00\x00"
SUBACK_NOT_AUTHORIZED = b"\x90\x04\x00\x01\x00\x87"
SUBACK = b"\x90\x04\x00\x01\x00\x01"
DISCONNECT_TAKEN_OVER = b"\xe0\x02\x8e\x00"
NOT_AUTHORIZED = b"\x20\x03\x00\x87\x00"


class ScriptedBroker:
    """Answers the n-th packet of every connection with the n-th of `answers`, and the rest with silence."""

    def __init__(self, *answers: bytes) -> None:
        """Listen at `port`."""
        self._answers = answers
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"mqtt://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        """One connection after the other, until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    for answer in self._answers:
                        connection.recv(65_536)
                        connection.sendall(answer)
                    while connection.recv(65_536):
                        pass
