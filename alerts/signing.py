"""Signatures after the Standard Webhooks specification 1.0.0: HMAC-SHA256 of id, instant of the attempt, and body."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
# The specification: 24 bytes at least, 64 at the most.
_KEY_BYTES = 32
_KEY_BYTES_MIN, _KEY_BYTES_MAX = 24, 64


def new_secret() -> str:
    """Return a fresh secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """Return the key that a secret holds.

    Raises:
        ValueError: it is not `whsec_` and 24 to 64 bytes in base64.
    """
    message = f"expected {PREFIX} and {_KEY_BYTES_MIN} to {_KEY_BYTES_MAX} bytes in base64"
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):  # its words would hold a part of the secret
        raise ValueError(message) from None
    if not secret.startswith(PREFIX) or not _KEY_BYTES_MIN <= len(key) <= _KEY_BYTES_MAX:
        raise ValueError(message)
    return key


def signature(secret: str, message_id: str, sent_s: int, content: bytes) -> str:
    """Return `v1,<base64>` for a body that is sent at `sent_s` (seconds since 1970 UTC)."""
    signed = f"{message_id}.{sent_s}.".encode() + content
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode()


def headers(secrets_: Sequence[str], message_id: str, sent_s: int, content: bytes) -> dict[str, str]:
    """Return the three headers; with two secrets a receiver may know either of them."""
    signatures = (signature(secret, message_id, sent_s, content) for secret in secrets_)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_s),
        "webhook-signature": " ".join(signatures),
    }
