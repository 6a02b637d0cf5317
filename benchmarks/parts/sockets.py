"""What the kernel knows of the connections to a port: how much the server has read. Nothing stands in the path for it.

Asked over netlink (sock_diag(7)); an answer costs some 30 us, so that asking often disturbs nothing. Linux only.
"""

import socket
import struct
from collections.abc import Iterator

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_DONE = 3
_ESTABLISHED = 1 << 1
_INET_DIAG_INFO = 2
_HEADER_BYTES, _MESSAGE_BYTES = 16, 72
# Where idiag_rqueue, what has come in and was not read yet, stands in struct inet_diag_msg (linux/inet_diag.h).
_UNREAD_AT = 56
# Where tcpi_bytes_received stands in struct tcp_info (linux/tcp.h, since 4.1).
_BYTES_RECEIVED_AT = 128


def bytes_read(port: int) -> dict[int, int]:
    """Return, by the client's port, how many bytes the server on `port` has read on each connection that stands."""
    request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (_INET_DIAG_INFO - 1), _ESTABLISHED)
    request += struct.pack("!HH", port, 0) + bytes(44)
    header = struct.pack("=IHHII", _HEADER_BYTES + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
    found: dict[int, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.sendto(header + request, (0, 0))
        for message in _messages(netlink):
            server_port, client_port = struct.unpack_from("!HH", message, 4)
            information = _attribute(message[_MESSAGE_BYTES:], _INET_DIAG_INFO)
            if server_port == port and len(information) >= _BYTES_RECEIVED_AT + 8:
                (received,) = struct.unpack_from("=Q", information, _BYTES_RECEIVED_AT)
                (unread,) = struct.unpack_from("=I", message, _UNREAD_AT)
                found[client_port] = received - unread
    return found


def _messages(netlink: socket.socket) -> Iterator[bytes]:
    while True:
        content = netlink.recv(65_536)
        while content:
            length, kind = struct.unpack_from("=IH", content)
            if kind == _DONE:
                return
            if kind != _SOCK_DIAG_BY_FAMILY:
                message = "the kernel does not tell of its sockets (sock_diag); the benchmarks need Linux 4.1"
                raise OSError(message)
            yield content[_HEADER_BYTES:length]
            content = content[(length + 3) & ~3 :]


def _attribute(attributes: bytes, wanted: int) -> bytes:
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == wanted:
            return attributes[4:length]
        attributes = attributes[(length + 3) & ~3 :]
    return b""
