"""`tls://host:port`: the handshake succeeds, and the certificate is valid, for long enough."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any

from relay.config.check_kinds import place_of
from relay.values import format_duration
from relay.watchdog.probes.base import in_words, refused
from relay.watchdog.probes.connect import connect
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, NoRemedyError


class TlsProbe:
    """Shakes hands, and hangs up."""

    def __init__(self, url: str, left: float = 0.0) -> None:
        self.target = url
        self._host, self._port = place_of(url)
        self._left = left

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        sock = await connect(tools, self._host, self._port)
        try:
            _, writer = await asyncio.open_connection(sock=sock, ssl=tools.tls, server_hostname=self._host)
        except OSError as error:
            raise no_tls(error) from None
        finally:
            if "writer" not in locals():
                sock.close()
        try:
            return judge(writer.get_extra_info("peercert"), self._left)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


def no_tls(error: OSError) -> Exception:
    """What a handshake that failed says. An SSLError's number is OpenSSL's own, not the system's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return NoRemedyError(f"its certificate is refused: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return FailedError(f"no TLS: {(error.reason or 'broken').lower().replace('_', ' ')}")
    reason = refused(error)
    return FailedError(f"no TLS: {in_words(error)}") if isinstance(reason, FailedError) else reason


def judge(certificate: dict[str, Any] | None, left: float, now: float | None = None) -> str:
    """How long it is valid; `NoRemedyError` if that is too short."""
    if not certificate:
        raise NoRemedyError("it shows no certificate")
    ends = ssl.cert_time_to_seconds(certificate["notAfter"])
    remaining = ends - (time.time() if now is None else now)
    if remaining < left:
        raise NoRemedyError(f"its certificate ends in {format_duration(remaining)}")
    return f"answers; its certificate is valid for {format_duration(remaining)}"
