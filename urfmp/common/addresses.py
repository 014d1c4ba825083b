"""Network addresses of clients."""

from __future__ import annotations

import ipaddress


def plain_address(text: str) -> str | None:
    """Return an IP address in its plain form, IPv4 out of IPv6 included; None for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def forwarded_address(header: str) -> str:
    """Return the client's address from an `X-Forwarded-For`.

    The last entry is the one that the nearest proxy wrote; what a client sent itself stands
    before it, or was dropped.
    """
    return header.rpartition(",")[2].strip()
