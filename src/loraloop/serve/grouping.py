"""By what rows are told apart besides their users: the group of a request, as a pseudonym and never as an address."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from starlette.types import Scope

HEADER: Final = b"x-client-group"
_HEADER_BYTES: Final = 256
_HOUSEHOLD_BITS: Final = 64
"""One household has a whole network of IPv6 addresses; by IPv4, one address."""


def group_of(scope: Scope, by: str, pseudonym: Callable[[str], str]) -> str | None:
    """Return the pseudonym of the group a request came from; ``None`` where there is none to be told.

    Args:
        scope: of the request.
        by: the setting ``serve.group``: ``"address"``, ``"header"`` or nothing.
        pseudonym: makes keyed digests of names.
    """
    name = ""
    if by == "header":
        sent = next((value for key, value in scope.get("headers", ()) if key.lower() == HEADER), b"")
        name = sent[:_HEADER_BYTES].decode("utf-8", "replace").strip()
    elif by == "address" and scope.get("client"):
        name = network_of(str(scope["client"][0]))
    return pseudonym(f"group {name}") if name else None


def network_of(address: str) -> str:
    """Return what stands for a household: an IPv4 address, or the first 64 bits of an IPv6 one.

    Example:
        >>> network_of("2001:db8:1:2:aaaa::1"), network_of("203.0.113.7"), network_of("::ffff:203.0.113.7")
        ('2001:db8:1:2::', '203.0.113.7', '203.0.113.7')
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _HOUSEHOLD_BITS), strict=False).network_address)
    return str(found)
