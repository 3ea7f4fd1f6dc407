"""Addresses a backend must not be led to: the host's own link, where clouds keep their credentials.

Intranet addresses are fine: most of the services stand there. The check is on the address that is really
connected to, so that neither a name that resolves to it nor `http://2852039166/` gets past.
"""

from __future__ import annotations

import socket
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

# Metadata services outside the link-local ranges: AWS over IPv6, Alibaba Cloud.
_METADATA: Final = {ip_address("fd00:ec2::254"), ip_address("100.100.100.200")}
_NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address

# Set by the task that makes a request, read where its connection is opened: nothing else gets through.
link_local_allowed: Final = ContextVar("link_local_allowed", default=False)


class LinkLocalError(OSError):
    """The address is link-local or a cloud's metadata service."""


def refuse_link_local(address: str) -> None:
    """Raise `LinkLocalError` if a numeric address (a zone may follow `%`) is one not to connect to."""
    ip = _inner(_parsed(address.partition("%")[0]))
    if ip.is_link_local or ip in _METADATA:
        raise LinkLocalError("link-local address")


def guarded_socket(found: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
    """A socket for one `getaddrinfo` result, as aiohttp's `socket_factory` wants it."""
    family, kind, proto, _, address = found
    if not link_local_allowed.get():
        refuse_link_local(str(address[0]))
    return socket.socket(family, kind, proto)


def _parsed(address: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(address)
    except ValueError:
        return IPv4Address(socket.inet_aton(address))  # `2852039166`: connect() takes it


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour or ip
