"""Network addresses of clients."""

from __future__ import annotations

import ipaddress


def normalize_ip(text: str) -> str | None:
    """Return an IP address in its plain form, IPv4 out of IPv6 included; None for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_network(text: str | None) -> str:
    """Return what one client has for itself: an IPv4 address, or a /64 of IPv6 with all in it.

    Whoever has a line of IPv6 has 2^64 addresses: counted one by one they would count as many.
    Nothing for what is no address.
    """
    plain = normalize_ip(text or "")
    if plain is None or ":" not in plain:
        return plain or ""
    return str(ipaddress.ip_network(f"{plain.partition('%')[0]}/64", strict=False))


def forwarded_ip(header: str) -> str:
    """Return the client's address from an `X-Forwarded-For`.

    The last entry is the one that the nearest proxy wrote; what a client sent itself stands
    before it, or was dropped.
    """
    return header.rpartition(",")[2].strip()
