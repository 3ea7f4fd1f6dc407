"""The probe of each kind of check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from relay.config.checks import (
    Check,
    CommandCheck,
    DiskCheck,
    FileCheck,
    HttpCheck,
    LoadCheck,
    MemoryCheck,
    OwnerCheck,
    ProcessCheck,
    UnitCheck,
)
from relay.watchdog.probes.base import Probe
from relay.watchdog.probes.certificate import TlsProbe
from relay.watchdog.probes.command import CommandProbe
from relay.watchdog.probes.dns import DnsProbe
from relay.watchdog.probes.file import FileProbe
from relay.watchdog.probes.greeting import GREETINGS, GreetingProbe
from relay.watchdog.probes.host import DiskProbe, LoadProbe, MemoryProbe
from relay.watchdog.probes.mysql import MysqlProbe
from relay.watchdog.probes.owner import OwnerProbe
from relay.watchdog.probes.page import PageProbe
from relay.watchdog.probes.process import ProcessProbe
from relay.watchdog.probes.tcp import TcpProbe
from relay.watchdog.probes.unit import UnitProbe
from relay.watchdog.probes.unix import UnixProbe

_SCHEMES: Final[dict[str, Callable[[str], Probe]]] = {
    "tcp": TcpProbe,
    "unix": UnixProbe,
    "dns": DnsProbe,
    "tls": TlsProbe,
    "http": lambda url: PageProbe(HttpCheck(url=url)),
    "https": lambda url: PageProbe(HttpCheck(url=url)),
    "mysql": MysqlProbe,
    **dict.fromkeys(GREETINGS, GreetingProbe),
}


def probe_of(check: Check, timeout: float) -> Probe:
    """What looks at it; `timeout` is the entry's, in seconds."""
    match check:
        case str():
            return _SCHEMES[check.partition("://")[0]](check)
        case HttpCheck(url=url):
            return TlsProbe(url, check.certificate) if url.startswith("tls://") else PageProbe(check)
        case CommandCheck():
            return CommandProbe(check, timeout)
        case OwnerCheck():
            return OwnerProbe(check.port_owner)
        case ProcessCheck():
            return ProcessProbe(check.process)
        case UnitCheck():
            return UnitProbe(check.unit)
        case _:
            return _of_host(check)


def _of_host(check: FileCheck | DiskCheck | MemoryCheck | LoadCheck) -> Probe:
    match check:
        case FileCheck():
            return FileProbe(check.file)
        case DiskCheck():
            return DiskProbe(check.disk)
        case MemoryCheck():
            return MemoryProbe(check.memory)
        case LoadCheck():
            return LoadProbe(check.load)
