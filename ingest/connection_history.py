"""What the connections so far tell of the next: how long to wait for it, and whether someone else uses our name (pure).

Two programs under one client id put each other out for ever: a broker serves only the latest (MQTT 5.0, 3.1.4-3).
"""

RETRY_S_MIN = 0.5
RETRY_S_MAX = 15.0
# A connection that ends sooner came to nothing.
SHORT_S = 5.0
UNDISTURBED_S = 60.0
# So often in a row it may be a network, a broker that is being restarted, or chance.
BREAKS_MAX = 2


class ConnectionHistory:
    """Of one client id; told when a connection begins and ends, on a clock that never steps."""

    def __init__(self, client_id: str) -> None:
        """Begin without any."""
        self._client_id = client_id
        self._begun_s: float | None = None
        self._retry_s = RETRY_S_MIN
        self._breaks = 0
        self._trouble: str | None = None

    def begins(self, now_s: float) -> None:
        """Note that we are connected."""
        self._begun_s = now_s

    def ends(self, now_s: float, *, taken_over: bool = False, refused: bool = False) -> None:
        """Note that the connection, or the attempt at one, is over.

        `taken_over`: the broker says so itself; `refused`: it would not have us, and said why.
        """
        lasted_s = 0.0 if self._begun_s is None else now_s - self._begun_s
        if self._begun_s is not None and not refused:
            self._judge(lasted_s, taken_over=taken_over)
        self._begun_s = None
        if self._trouble is not None:
            self._retry_s = RETRY_S_MAX
        else:
            self._retry_s = RETRY_S_MIN if lasted_s >= SHORT_S else min(self._retry_s * 2, RETRY_S_MAX)

    def trouble(self, now_s: float) -> str | None:
        """Return what is wrong, in words, for as long as no connection has held for `UNDISTURBED_S`."""
        held_s = 0.0 if self._begun_s is None else now_s - self._begun_s
        return None if held_s >= UNDISTURBED_S else self._trouble

    def retry_s(self) -> float:
        """Return how long to wait at most before the next attempt; whoever waits adds the jitter."""
        return self._retry_s

    def _judge(self, lasted_s: float, *, taken_over: bool) -> None:
        if lasted_s >= UNDISTURBED_S:
            self._breaks = 0
            self._trouble = None
        self._breaks += 1
        if taken_over:
            self._trouble = f"client id {self._client_id} is used by another program"
        elif self._breaks > BREAKS_MAX and self._trouble is None:
            self._trouble = (
                f"the connection broke {self._breaks} times within {UNDISTURBED_S:.0f} s of its beginning: "
                f"is client id {self._client_id} used by another program?"
            )
