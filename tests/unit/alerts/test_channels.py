"""Each channel on a real server of its kind: what arrives, and what is said of a server that does not take it."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller
from msgspec import structs

from alerts.channels import Outcome, Outgoing
from alerts.mail_channel import MailChannel, MailServer, parse_smtp_url
from alerts.mqtt_channel import MqttChannel, topic_of
from alerts.signing import new_secret
from alerts.webhook_channel import WebhookChannel
from ingest import wire
from ingest.broker_publisher import MemoryPublisher
from ingest.fleet import Lift
from tests.unit.alerts.parts import NOON
from tests.unit.alerts.receiver import Receiver, unused_port

SECRET = new_secret()
ALERT = {"message": "Passengers trapped in lift A1, floor 3", "guidance": "Speak to them.", "source": "RS-01"}
OUTGOING = Outgoing(
    message_id="msg_1",
    topic="alert.raised",
    happened_at=NOON,
    lift_id="A1",
    data={"lift_id": "A1", "alert_id": 7, "priority": 1, "alert": ALERT},
    target="",
    secrets=(SECRET,),
)
LOCAL = WebhookChannel(allows_private=True, attempt_s_max=0.5)


def send(channel: WebhookChannel, url: str) -> Outcome:
    return channel.send(structs.replace(OUTGOING, target=url), NOON)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path)]
    out = path.with_suffix(".crt")
    command = ["openssl", "req", "-x509", *key, "-out", str(out), "-days", "2", *subject]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + out.read_text())
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate.with_suffix(".crt")))


@pytest.fixture
def script() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Let a server do as it likes with the next connection; returns its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threads: list[threading.Thread] = []

        def serve(act: Callable[[socket.socket], None]) -> str:
            def run() -> None:
                connection, _ = server.accept()
                with closing(connection):
                    try:
                        act(connection)
                    except OSError:
                        return

            threads.append(threading.Thread(target=run))
            threads[-1].start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/"

        yield serve
        for thread in threads:
            thread.join()


def test_a_webhook_goes_over_tls_to_whom_the_certificate_names(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    receiver = Receiver(server_tls)
    try:
        trusting = WebhookChannel(allows_private=True, tls=client_tls)
        assert send(trusting, receiver.url) == Outcome(status=204)
        assert receiver.received[0].message_id == "msg_1"
        refused = send(LOCAL, receiver.url)
        assert refused.error is not None
        assert "SSL" in refused.error
    finally:
        receiver.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
def test_a_webhook_never_connects_to_this_machine_unless_it_may(host: str) -> None:
    outcome = send(WebhookChannel(), f"https://{host}:{unused_port()}/")
    assert outcome.error == "the name leads to an address that webhooks may not reach"


@pytest.mark.parametrize(
    "answers", [["10.0.0.5"], ["::ffff:10.0.0.5", "fe80::1"], ["169.254.169.254"]], ids=["private", "v6", "link-local"]
)
def test_a_name_that_leads_behind_our_wall_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in answers]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    outcome = send(WebhookChannel(), "https://cmms.example/")
    assert outcome.error == "the name leads to an address that webhooks may not reach"


def test_a_name_that_changes_after_the_look_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    class Connection(socket.socket):
        def connect(self, address: Any) -> None:
            connected.append(address)
            raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "socket", Connection)
    assert send(WebhookChannel(), "https://cmms.example/").error is not None
    assert (asked, connected) == (["cmms.example"], [("93.184.215.14", 443)])


def test_a_receiver_that_hangs_is_given_up_in_time(
    script: Callable[[Callable[[socket.socket], None]], str],
) -> None:
    is_over = threading.Event()

    def hang(_: socket.socket) -> None:
        is_over.wait(10)

    outcome = send(LOCAL, script(hang))
    is_over.set()
    assert outcome.error is not None
    assert outcome.error.startswith("TimeoutError")


def test_an_answer_that_drips_in_does_not_prolong_the_deadline(
    script: Callable[[Callable[[socket.socket], None]], str],
) -> None:
    is_over = threading.Event()

    def drip(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 204 No Content\r\n" + b"X: y\r\n" * 500:
            connection.sendall(bytes([byte]))
            if is_over.wait(0.05):
                return

    outcome = send(LOCAL, script(drip))
    is_over.set()
    assert outcome.error is not None
    assert outcome.error.startswith("TimeoutError")


def test_an_answer_without_end_is_not_read_to_its_end(
    script: Callable[[Callable[[socket.socket], None]], str],
) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    assert send(LOCAL, script(flood)) == Outcome(status=200)


def test_a_status_counts_though_the_rest_of_the_answer_does_not_come(
    script: Callable[[Callable[[socket.socket], None]], str],
) -> None:
    def break_off(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\n12")

    assert send(LOCAL, script(break_off)) == Outcome(status=202)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-other\r\n", b"HTTP/1.1 999999 no\r\n\r\n", b"\x00" * 100])
def test_what_is_no_http_is_a_failure(script: Callable[[Callable[[socket.socket], None]], str], answer: bytes) -> None:
    def say(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    assert send(LOCAL, script(say)).error is not None


def test_an_error_names_neither_the_url_nor_a_secret() -> None:
    outcome = send(LOCAL, f"http://127.0.0.1:{unused_port()}/token-in-the-path")
    assert outcome.error == "ConnectionRefusedError: Connection refused"
    assert SECRET not in repr(outcome)


_MIME = ("Content-Type", "Content-Transfer-Encoding", "MIME-Version", "X-Peer", "X-MailFrom", "X-RcptTo")


class Mailbox:
    """A real SMTP server that keeps what it takes; `refuses` is its answer to each address otherwise."""

    def __init__(self, **options: Any) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses: str | None = None
        self._controller = Controller(self, hostname="127.0.0.1", port=unused_port(), ready_timeout=10, **options)
        self._controller.start()
        self.port: int = self._controller.port

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def close(self) -> None:
        self._controller.stop()


def mail_channel(mailbox: Mailbox, security: str, **options: Any) -> MailChannel:
    server = MailServer(host="127.0.0.1", port=mailbox.port, security=security)
    return MailChannel(server, "Liftwatch <liftwatch@lifts.example>", **options)


MAIL = structs.replace(OUTGOING, target="li@lifts.example")


def test_a_mail_says_how_urgent_what_and_what_to_do_first(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    mailbox = Mailbox(tls_context=server_tls, require_starttls=True)
    try:
        assert mail_channel(mailbox, "smtp", tls=client_tls).send(MAIL, NOON) == Outcome()
    finally:
        mailbox.close()
    (mail,) = mailbox.mails
    assert mail["Subject"] == "[P1] Passengers trapped in lift A1, floor 3 (raised)"
    assert (mail["To"], mail["Message-ID"]) == ("li@lifts.example", "<msg_1@lifts.example>")
    text = mail.get_content()
    assert "Speak to them." in text
    assert "When: 2026-03-02 12:00:00 UTC" in text


def test_nothing_is_mailed_in_plain_where_tls_was_asked_for() -> None:
    mailbox = Mailbox()
    try:
        assert mail_channel(mailbox, "smtp").send(MAIL, NOON).error is not None
        assert mailbox.mails == []
        assert mail_channel(mailbox, "smtp+plain").send(MAIL, NOON) == Outcome()
    finally:
        mailbox.close()
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("refusal", ["550 no such mailbox", "451 try later"])
def test_a_refused_address_is_a_failure_with_the_servers_code(refusal: str) -> None:
    mailbox = Mailbox()
    mailbox.refuses = refusal
    try:
        outcome = mail_channel(mailbox, "smtp+plain").send(MAIL, NOON)
    finally:
        mailbox.close()
    assert outcome.status == int(refusal[:3])


def test_a_mail_server_that_is_away_is_a_failure() -> None:
    server = MailServer(host="127.0.0.1", port=unused_port(), security="smtps")
    outcome = MailChannel(server, "a@b").send(MAIL, NOON)
    assert outcome.error == "ConnectionRefusedError: Connection refused"


def test_words_of_a_lift_cannot_add_headers_to_a_mail() -> None:
    mailbox = Mailbox()
    words = "x\r\nBcc: all@lifts.example\r\n\r\nboo\u2028Bcc: b\x85Bcc: c\x0bBcc: d\r\n.\r\nMAIL FROM:<e@f>"
    about = {"message": words, "guidance": words, "source": words, "number": words}
    nasty = {**OUTGOING.data, "alert": about, "note": words, "by": words}
    try:
        sent = mail_channel(mailbox, "smtp+plain").send(structs.replace(MAIL, data=nasty), NOON)
    finally:
        mailbox.close()
    assert sent == Outcome()
    (mail,) = mailbox.mails
    assert set(mail.keys()) <= {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", *_MIME}
    assert len(mail["Subject"].splitlines()) == 1
    assert "MAIL FROM:<e@f>" in mail.get_content(), "a lone dot does not end the mail"


@pytest.mark.parametrize("address", ["li@x\r\nBcc: all@y", "li@x\nBcc: all@y", "li@x\u2028Bcc: all@y", "li@x, all@y"])
def test_an_address_cannot_add_headers_to_a_mail(address: str) -> None:
    mailbox = Mailbox()
    try:
        mail_channel(mailbox, "smtp+plain").send(structs.replace(MAIL, target=address), NOON)
    finally:
        mailbox.close()
    assert all(mail["Bcc"] is None and set(mail.keys()) >= {"From", "Message-ID"} for mail in mailbox.mails)


def test_the_url_of_a_mail_server_is_read_and_its_password_is_not_shown() -> None:
    server = parse_smtp_url("smtp://li%40x:p%3Aw@mail.example")
    assert (server.port, server.username, server.password) == (587, "li@x", "p:w")
    assert "p:w" not in repr(server)


@pytest.mark.parametrize(
    "url", ["mail.example", "http://mail.example", "smtp://", "smtp://h:port", "smtp+plain://u:p@mail.example"]
)
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected smtp://"):
        parse_smtp_url(url)


@pytest.mark.parametrize(
    ("topic", "where"),
    [
        ("alert.raised", "liftwatch/v1/alerts/A1/raised"),
        ("work-order.on-site", "liftwatch/v1/work-orders/A1/on-site"),
        ("flood.began", "liftwatch/v1/flood/A1/began"),
    ],
)
def test_what_is_published_stands_below_its_lift(topic: str, where: str) -> None:
    assert topic_of(structs.replace(OUTGOING, topic=topic)) == where


@pytest.mark.parametrize("lift_id", ["+", "#", "A/B", "$SYS", "A1/../x", "A\x00", "", "A" * 65, "A1\n", "\uff21"])
def test_no_lift_has_a_name_that_is_more_than_a_level_of_a_topic(lift_id: str) -> None:
    assert not wire.is_lift_id(lift_id)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"lift_id": lift_id}, Lift)


def test_what_the_broker_does_not_take_is_a_failure() -> None:
    publisher = MemoryPublisher()
    channel = MqttChannel(publisher)
    assert channel.send(OUTGOING, NOON) == Outcome()
    assert publisher.published[0][0] == "liftwatch/v1/alerts/A1/raised"
    assert b'"id":"msg_1","type":"alert.raised"' in publisher.published[0][1]
    publisher.is_away = True
    assert channel.send(OUTGOING, NOON).error is not None
