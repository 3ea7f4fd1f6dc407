"""The kinds of scalar that a watchdog entry has. As in kinds.py: ValueError in words."""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import urlsplit

from relay.config import cron as crontab
from relay.config import patterns
from relay.config.checks import SCHEMES
from relay.config.commands import restart_problem, unit_problem
from relay.config.nodes import Scalar
from relay.config.scalars import digits, integer, line, text
from relay.values import parse_size

_NAME: Final = re.compile(
    r"(?=.{1,254}$)[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?"
)
_ADDRESS: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]")
_SOCKET_PATH: Final = 107  # bytes that the kernel takes
_ALLOWED: Final = "tcp tls http https unix dns smtp redis postgres mysql ssh"


def check_url(node: Scalar) -> str:
    """Where to look: `tcp://host:port`, `https://host/path`, `unix:///path`, `dns://name` ..."""
    given = line(node, 2000)
    scheme, separator, rest = given.partition("://")
    if not separator:
        raise ValueError(
            f"{node.given} is no check: write tcp://host:port, https://host/path, unix:///path ..."
        )
    if "@" in rest.partition("/")[0]:  # what was given isn't shown: it may hold a password
        raise ValueError("a check's URL takes no user and no password")
    if "${" in given:
        raise ValueError(f"{node.given}: a check's URL takes no secrets")
    if scheme == "unix":
        if not rest.startswith("/") or len(os.fsencode(rest)) > _SOCKET_PATH:
            raise ValueError(
                f"{node.given} names no socket: write unix:///run/app.sock, at most {_SOCKET_PATH} bytes"
            )
    elif scheme in {"http", "https"}:
        _check_page(node, given)
    elif scheme == "dns":
        _check_host(node, rest, "dns://db.example.com")
    elif scheme in SCHEMES:
        _check_place(node, scheme, rest)
    else:
        raise ValueError(f"unknown kind of check {scheme[:20]!r} (allowed: {_ALLOWED.replace(' ', ', ')})")
    return given


def place_of(url: str) -> tuple[str, int]:
    """Host (IPv6 without brackets) and port of a checked `tcp://host:port` and the like."""
    scheme, _, rest = url.partition("://")
    host, colon, port = rest.rstrip("/").rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest.rstrip("/"), str(SCHEMES[scheme])
    return host.strip("[]"), int(port)


def expected(node: Scalar) -> str:
    """A part of a text, or /RE2/."""
    patterns.message_text(text(node))
    return node.text


def unit(node: Scalar) -> str:
    """A unit that is looked at."""
    if wrong := unit_problem(line(node)):
        raise ValueError(wrong)
    return node.text


def restarted(node: Scalar) -> str:
    """A unit that is restarted."""
    if " " in line(node):
        raise ValueError(
            f"{node.given} is a shell's line: write a list, as in [systemctl, restart, orders-worker]"
        )
    if "/" in node.text:
        raise ValueError(f"{node.given} is a program: write a list, as in [{node.text[:60]}, restart]")
    if wrong := restart_problem(node.text):
        raise ValueError(wrong)
    return node.text


def share(node: Scalar) -> str:
    """An amount of bytes, or a part in percent."""
    given = digits(node)
    if given.endswith("%"):
        number = given[:-1]
        if not re.fullmatch(r"\d{1,2}(?:\.\d+)?|100", number):
            raise ValueError(f"{node.given} is no share: write 10% or 500MiB")
        return given
    if parse_size(given) and given.isdigit():
        raise ValueError(f"{node.given} is bytes: write {given}%, {given}MiB or {given}B")
    return given


def misses(node: Scalar) -> int:
    """After so many failures in a row it is down."""
    try:
        return integer(node)
    except ValueError as error:
        raise ValueError(f"{error}: write 3, or {{count: 3, of: 5}}") from None


def file_mode(node: Scalar) -> str:
    """Permissions of a file, in octal as chmod has them."""
    if not re.fullmatch(r"0?[0-7]{3,4}", node.text):
        raise ValueError(f"{node.given} is no mode: write 0640")
    return node.text


def cron(node: Scalar) -> str:
    """Minute, hour, day, month, weekday."""
    crontab.parse(line(node))
    return node.text


def _check_page(node: Scalar, given: str) -> None:
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{node.given} is no URL: {error}") from None
    if not host or port == 0 or any(letter.isspace() for letter in given):
        raise ValueError(f"{node.given} is no URL: write http://127.0.0.1:8080/health")
    if parts.fragment:
        raise ValueError("a check's URL takes no fragment")
    if ":" not in host and host.isascii():
        _check_host(node, host, "http://127.0.0.1:8080/health")


def _check_host(node: Scalar, host: str, example: str) -> None:
    if not (_NAME.fullmatch(host) or _ADDRESS.fullmatch(host)):
        raise ValueError(f"{node.given} names no host: write {example}")


def _check_place(node: Scalar, scheme: str, rest: str) -> None:
    rest = rest.rstrip("/")
    if "/" in rest:
        raise ValueError(f"{node.given} takes no path: write {scheme}://host:port")
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        if not SCHEMES[scheme]:
            raise ValueError(f"{node.given} names no port: write {scheme}://host:port")
        host, port = rest, str(SCHEMES[scheme])
    _check_host(node, host, f"{scheme}://127.0.0.1:9090")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise ValueError(f"{node.given} names no port: write a number from 1 to 65535")
