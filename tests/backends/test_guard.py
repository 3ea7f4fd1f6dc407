"""Link-local addresses, however written."""

from __future__ import annotations

import socket

import pytest

from relay.backends.guard import LinkLocalError, guarded_socket, link_local_allowed, refuse_link_local


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "2852039166",
        "0xa9.254.43518",
    ],
)
def test_link_local_and_metadata_are_refused(address: str) -> None:
    with pytest.raises(LinkLocalError):
        refuse_link_local(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.8", "192.168.1.1", "172.16.0.1", "::1", "fd00::1", "1.1.1.1", "2606::1"]
)
def test_intranet_and_internet_are_fine(address: str) -> None:
    refuse_link_local(address)


def test_the_socket_is_refused_unless_allowed() -> None:
    found = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("169.254.169.254", 80))
    with pytest.raises(LinkLocalError):
        guarded_socket(found)
    token = link_local_allowed.set(True)
    guarded_socket(found).close()
    link_local_allowed.reset(token)
