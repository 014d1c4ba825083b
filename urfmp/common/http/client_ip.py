"""IP addresses of clients."""

from __future__ import annotations

import ipaddress


def normalize_ip(text: str) -> str | None:
    """Return a normalized IP address; None for any other text.

    An IPv4 address mapped into IPv6 becomes plain IPv4.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_network(text: str | None) -> str:
    """Return a client's network: an IPv4 address or an IPv6 /64.

    An IPv6 subscriber has 2^64 addresses; counting each one would evade every limit. Returns an
    empty string for a text that is not an IP address.
    """
    plain = normalize_ip(text or "")
    if plain is None or ":" not in plain:
        return plain or ""
    return str(ipaddress.ip_network(f"{plain.partition('%')[0]}/64", strict=False))


def forwarded_ip(header: str) -> str:
    """Return the client's IP address from an `X-Forwarded-For` header.

    The nearest proxy wrote the last entry. The client may have forged all the others.
    """
    return header.rpartition(",")[2].strip()
