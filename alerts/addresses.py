"""Which URLs a webhook may have, and which network addresses it may reach: nobody uses us to look behind our wall."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

URL_CHARS_MAX = 2_000
_PRINTABLE = re.compile(r"[!-~]+\Z")
# Of IPv6 nothing but global unicast is the open Internet, and of that neither what carries an IPv4 address inside,
# whose end is not ours to know (Teredo, 6to4), nor what documents use.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NO_RECEIVERS = tuple(ipaddress.IPv6Network(net) for net in ("2001::/32", "2002::/16", "3fff::/20"))
# Of IPv4 besides: assignments of protocols, and the way from 6to4 back.
_NO_RECEIVERS_V4 = tuple(ipaddress.IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24"))


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
        return ip in _GLOBAL_UNICAST and ip.is_global and not any(ip in net for net in _NO_RECEIVERS)
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _NO_RECEIVERS_V4)
