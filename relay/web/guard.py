"""Who may ask: pure checks of a request's headers, made before anything else is done with it.

The attacker here is a web page in an operator's browser. It can reach the loopback interface, but not choose
its Host (a name that it has made to mean 127.0.0.1 is still its own name), nor its Origin, nor send JSON or a
token without asking first; relay never says that it may (no CORS).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from relay.config.schema import Http
from relay.values import parse_listen

JSON_TYPES: Final = frozenset(
    {"application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"}
)

_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def names_of(settings: Http) -> frozenset[str]:
    """The names that requests may be addressed to, beside addresses."""
    names = {"localhost", *settings.hosts}
    if settings.url:
        names.add((urlsplit(settings.url).hostname or "").lower())
    if not settings.listen.startswith("unix:"):
        names.add(parse_listen(settings.listen)[0].lower())
    return frozenset(names)


def misdirected(hosts: Sequence[str], names: frozenset[str]) -> str:
    """Why a request with these Host headers isn't meant for relay; "" if it is.

    An address can't be made to mean another one, so any will do.
    """
    found = _AUTHORITY.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None:
        return "exactly one Host header is needed"
    host = found[1].lower()
    if host in names or _is_address(host.strip("[]")):
        return ""
    return "this Host is none of relay's: name it under `http: hosts:` or as `url:`"


def foreign(origins: Sequence[str], host: str, settings: Http) -> str:
    """Why a request with these Origin headers comes from another site; "" if it doesn't."""
    ours = {f"http://{host}".lower(), f"https://{host}".lower()}
    if settings.url:
        parts = urlsplit(settings.url)
        ours.add(f"{parts.scheme}://{parts.netloc}".lower())
    if all(origin.lower() in ours for origin in origins) and len(origins) <= 1:
        return ""
    return "requests from other sites are refused"


def unauthorized(given: Sequence[str], settings: Http) -> str:
    """Why these Authorization headers don't do; "" if they do, or none is needed."""
    if not settings.token:
        return ""
    found = _BEARER.fullmatch(given[0].strip()) if len(given) == 1 else None
    sent = found[1] if found else ""
    if hmac.compare_digest(sent.encode(errors="replace"), settings.token.reveal().encode(errors="replace")):
        return ""
    return "the token of `http: token:` is needed: Authorization: Bearer ..."


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
