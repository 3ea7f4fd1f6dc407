"""AES-256-CBC, with which WeCom and Feishu seal callbacks. Needs cryptography (the extra `callbacks`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from relay.backends.callbacks import CallbackRefusedError
from relay.errors import RelayError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher

BLOCK: Final = 16  # bytes of AES


def unsealed(key: bytes, start: bytes, data: bytes, block: int) -> bytes:
    """The text within `data`, padded by PKCS#7 to `block` bytes; raises `CallbackRefusedError`."""
    if not data or len(data) % BLOCK:
        raise CallbackRefusedError("the sealed text is cut, or none")
    opener = _cipher(key, start).decryptor()
    padded = opener.update(data) + opener.finalize()
    size = padded[-1]
    if not 1 <= size <= min(block, len(padded)) or padded[-size:] != bytes([size]) * size:
        raise CallbackRefusedError("the text was sealed with another key")
    return padded[:-size]


def sealed(key: bytes, start: bytes, text: bytes, block: int) -> bytes:
    """The opposite."""
    size = block - len(text) % block
    closer = _cipher(key, start).encryptor()
    return closer.update(text + bytes([size]) * size) + closer.finalize()


def _cipher(key: bytes, start: bytes) -> Cipher[Any]:
    try:
        from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415 - optional, and 20 ms
            Cipher,
            algorithms,
            modes,
        )
    except ImportError:
        text = "sealed callbacks need the package cryptography: pip install 'alert-relay[callbacks]'"
        raise RelayError(text) from None
    return Cipher(algorithms.AES256(key), modes.CBC(start))
