"""Channels: the ways by which people and programs are told. What cannot be delivered is a value, not an exception."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import Struct

# An attempt that takes longer has failed; the Standard Webhooks specification asks for 15 to 30 s.
ATTEMPT_S_MAX = 15.0
WEBHOOK = "webhook"
EMAIL = "email"
MQTT = "mqtt"
CHANNELS = (WEBHOOK, EMAIL, MQTT)


class Outgoing(Struct, frozen=True, kw_only=True):
    """One notification on its way.

    `target` is where the channel sends it; `secrets` sign it, newest first. `happened_at` is when what it tells
    happened, `data` what is told.
    """

    message_id: str
    topic: str
    happened_at: datetime
    lift_id: str
    data: dict[str, Any]
    target: str
    secrets: Sequence[str] = ()

    def content(self) -> bytes:
        """Return what programs get: the same bytes at each attempt."""
        return msgspec.json.encode({"type": self.topic, "timestamp": self.happened_at, "data": self.data})


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of an attempt: `error` None: it was delivered. `is_gone`: the receiver wants nothing more, ever."""

    error: str | None = None
    status: int | None = None
    retry_after_s: float | None = None
    is_gone: bool = False


class Channel(Protocol):
    """A way to tell somebody."""

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        """Try once, within `ATTEMPT_S_MAX`. Raises nothing for what the world does."""
        ...


def words_for(error: Exception) -> str:
    """Return an error in words that hold neither a URL nor a secret."""
    strerror = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {strerror}" if strerror else type(error).__name__
