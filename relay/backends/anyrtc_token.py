"""Tokens of anyRTC's RTM, version 006, made of the project's certificate.

The format is that of Agora's AccessToken 006; anyRTC publishes the same code (github.com/anyRTC/Tools).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import zlib
from typing import Final

VERSION: Final = "006"
LOGIN: Final = 1000  # the privilege to use RTM
MOST_SALT: Final = 99_999_999
LIFE: Final = 86_400  # seconds: the token's own, beside the privilege's


def mint(app_id: str, certificate: str, account: str, *, salt: int, now: int, expire: int) -> str:
    """A token that lets `account` use RTM until `expire` (seconds since the epoch).

    In a token for RTM the account stands where others have the channel, and their user is empty.
    """
    message = struct.pack("<IIHHI", salt, now + LIFE, 1, LOGIN, expire)
    signed = app_id.encode() + account.encode() + message
    signature = hmac.new(certificate.encode(), signed, hashlib.sha256).digest()
    sums = struct.pack("<II", zlib.crc32(account.encode()), zlib.crc32(b""))
    content = _sized(signature) + sums + _sized(message)
    return VERSION + app_id + base64.b64encode(content).decode()


def _sized(part: bytes) -> bytes:
    return struct.pack("<H", len(part)) + part
