"""E-mail: what happened in words, to one address, over the owner's own mail server."""

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from alerts.channels import ATTEMPT_S_MAX, Outcome, Outgoing, words_for

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
SUBJECT_CHARS_MAX = 200


class MailServer(Struct, frozen=True, kw_only=True):
    """Where mail is handed in. `security`: `smtp` (STARTTLS or nothing is sent), `smtps` (TLS), `smtp+plain` (none)."""

    host: str
    port: int
    security: str
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Say where, not with which password."""
        return f"{self.security}://{self.host}:{self.port}"


def parse_smtp_url(url: str) -> MailServer:
    """Return the server in `smtp://user:password@host:587`, `smtps://` or `smtp+plain://host:25`.

    Raises:
        ValueError: another scheme, no host, a port that is none, or a password that would go over the net in plain.
    """
    message = "expected smtp://, smtps:// or smtp+plain:// (without a password), user:password@host:port"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:  # its words may hold a part of the password
        raise ValueError(message) from None
    if parts.scheme not in _PORTS or not parts.hostname or (parts.scheme == "smtp+plain" and parts.password):
        raise ValueError(message)
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        security=parts.scheme,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


class MailChannel:
    """Hands one mail after another in, each over a connection of its own."""

    def __init__(
        self,
        server: MailServer,
        sender: str,
        *,
        tls: ssl.SSLContext | None = None,
        attempt_s_max: float = ATTEMPT_S_MAX,
    ) -> None:
        """Write as `sender`."""
        self._server = server
        self._sender = sender
        self._tls = tls or ssl.create_default_context()
        self._attempt_s_max = attempt_s_max

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        """See `Channel.send`. The deadline is that of each step of the exchange: the server is the owner's own."""
        try:
            with self._connected() as connection:
                connection.send_message(letter(outgoing, self._sender, now))
        except smtplib.SMTPResponseException as error:
            return Outcome(error=f"the mail server answered {error.smtp_code}", status=error.smtp_code)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return Outcome(error=f"the mail server refuses the address: {codes[0]}", status=codes[0])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return Outcome(error=words_for(error))
        return Outcome()

    def _connected(self) -> smtplib.SMTP:
        server, wait_s = self._server, self._attempt_s_max
        connection = (
            smtplib.SMTP_SSL(server.host, server.port, timeout=wait_s, context=self._tls)
            if server.security == "smtps"
            else smtplib.SMTP(server.host, server.port, timeout=wait_s)
        )
        try:
            if server.security == "smtp":
                connection.starttls(context=self._tls)
            if server.username and server.password:
                connection.login(server.username, server.password)
        except BaseException:
            connection.close()
            raise
        return connection


def letter(outgoing: Outgoing, sender: str, now: datetime) -> EmailMessage:
    """Return the mail. Its Message-ID is the same at each attempt, so that mail programs show it once."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = outgoing.target
    mail["Subject"] = subject_of(outgoing)
    mail["Date"] = format_datetime(now)
    domain = sender.rpartition("@")[2].rstrip("> ")
    mail["Message-ID"] = f"<{outgoing.message_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(_lines(outgoing)) + "\n")
    return mail


def subject_of(outgoing: Outgoing) -> str:
    """Return one line: how urgent, what about, and what became of it."""
    about = _about(outgoing.data)
    priority = outgoing.data.get("priority")
    head = f"[P{priority}] " if priority else ""
    text = about.get("message") or outgoing.data.get("text") or f"Lift {outgoing.lift_id}"
    what = outgoing.topic.partition(".")[2].replace("-", " ")
    line = f"{head}{text} ({what})"
    return "".join(char if char.isprintable() else " " for char in line)[:SUBJECT_CHARS_MAX]


def _about(data: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of: the alert, else the work order."""
    about: dict[str, Any] = data.get("alert") or data.get("work_order") or {}
    return about


def _lines(outgoing: Outgoing) -> list[str]:
    data = outgoing.data
    about = _about(data)
    told = {
        "What": outgoing.topic.replace(".", " ").replace("-", " "),
        "When": f"{outgoing.happened_at:%Y-%m-%d %H:%M:%S} UTC",
        "Lift": outgoing.lift_id,
        "Alert": data.get("alert_id"),
        "Work order": about.get("number") or data.get("work_order_id"),
        "On site by": about.get("arrive_by"),
        "By": data.get("by"),
        "Note": data.get("note"),
    }
    lines = [str(about.get("message") or data.get("text") or ""), ""]
    lines += [f"{name}: {value}" for name, value in told.items() if value is not None]
    if guidance := about.get("guidance"):
        lines += ["", str(guidance)]
    if source := about.get("source"):
        lines += ["", f"Source: {source}"]
    return lines
