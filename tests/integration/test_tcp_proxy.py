"""The proxy that trials fail networks with: it passes everything, until it is told not to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

import pytest

from tests.servers import HOST
from tests.service import until
from tests.tcp_proxy import TcpProxy

SILENCE_S = 0.2


class Echo:
    """Says again whatever it hears."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._opened: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        threads = []
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._opened.append(connection)
                threads.append(threading.Thread(target=self._answer, args=(connection,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(4096):
                connection.sendall(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._opened:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with Echo() as echo:
        opened = TcpProxy(echo.port)
        yield opened
        opened.close()


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    with connected(proxy) as opened:
        yield opened


def connected(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=10)


def echoes(client: socket.socket, data: bytes = b"hello") -> bool:
    client.sendall(data)
    heard = b""
    while len(heard) < len(data):
        chunk = client.recv(65_536)
        if not chunk:
            raise ConnectionResetError
        heard += chunk
    return heard == data


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(SILENCE_S)
    client.sendall(b"hello?")
    try:
        return client.recv(1) is None
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)


def test_everything_is_passed_on(client: socket.socket) -> None:
    assert echoes(client)
    assert echoes(client, b"x" * 1_000_000)


def test_a_cut_resets_connections_and_new_ones_until_it_heals(proxy: TcpProxy, client: socket.socket) -> None:
    assert echoes(client)
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionError), connected(proxy) as another:
        echoes(another)
    proxy.heal()
    with connected(proxy) as later:
        assert echoes(later)


def test_a_silent_network_says_nothing_and_resets_when_it_heals(proxy: TcpProxy, client: socket.socket) -> None:
    assert echoes(client)
    proxy.silence()
    assert hears_nothing(client)
    with connected(proxy) as another:
        assert hears_nothing(another)
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_forgotten_connection_is_never_heard_of_again(proxy: TcpProxy, client: socket.socket) -> None:
    assert echoes(client)
    proxy.silence()
    proxy.heal(forget=True)
    assert hears_nothing(client)
    with connected(proxy) as later:
        assert echoes(later)


def test_a_tap_hears_both_sides_and_the_end() -> None:
    heard: list[tuple[bool, bytes]] = []
    with Echo() as echo:
        proxy = TcpProxy(echo.port, lambda _number, is_client, data: heard.append((is_client, data)))
        with connected(proxy) as client:
            assert echoes(client)
        until(lambda: heard[-1][1] == b"", "the end")
        proxy.close()
    assert heard == [(True, b"hello"), (False, b"hello"), (False, b"")]


def test_where_nobody_listens_a_connection_is_reset() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    proxy = TcpProxy(port)
    with pytest.raises(ConnectionError), connected(proxy) as client:  # already while it connects, or just after
        echoes(client)
    proxy.close()
