"""Which URLs a webhook may have, and which network addresses it may reach: nobody uses us to look behind our wall."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

URL_CHARS_MAX = 2_000
_PRINTABLE = re.compile(r"[!-~]+\Z")
# What carries an IPv4 address inside; the address that is reached in the end is not ours to know.
_CARRIERS = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


def parse_webhook_url(url: str, *, allows_private: bool) -> SplitResult:
    """Return the parts of a webhook's URL; plain http is for private networks alone.

    Raises:
        ValueError: it is none, or holds what has no place in it.
    """
    schemes = ("https", "http") if allows_private else ("https",)
    message = f"expected {' or '.join(schemes)}://host/path in ASCII, without user, password and fragment"
    if len(url) > URL_CHARS_MAX or not _PRINTABLE.match(url):
        raise ValueError(message)
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError(message) from None
    if parts.scheme not in schemes or not is_whole or parts.fragment or "@" in parts.netloc:
        raise ValueError(message)
    return parts


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open Internet, not of this machine or of a network behind a wall."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in carrier for carrier in _CARRIERS):
            return False
    return ip.is_global and not ip.is_multicast
