"""Sets of bytes, as bits, written as Hyperscan and RE2 (in Latin-1) both read them."""

from __future__ import annotations

from typing import Final

EVERY: Final = (1 << 256) - 1
BEYOND: Final = EVERY >> 128 << 128  # the bytes that are no ASCII
_DIGITS: Final = ((1 << 10) - 1) << 48


def written(code: int) -> str:
    """One byte."""
    char = chr(code)
    return char if char.isascii() and (char.isalnum() or char in " ,:/<>") else rf"\x{code:02x}"


def byte_class(bits: int) -> str:
    """One byte out of a set, in the shorter of its two forms."""
    if bits.bit_count() == 1:
        return written(bits.bit_length() - 1)
    if bits in {_DIGITS, EVERY & ~_DIGITS}:
        return r"\d" if bits == _DIGITS else r"\D"
    if bits == EVERY:
        return r"[\x00-\xff]"
    negated = bits.bit_count() > 128
    wanted = EVERY & ~bits if negated else bits
    parts, code = [], 0
    while code < 256:
        if wanted >> code & 1:
            last = code
            while last < 255 and wanted >> (last + 1) & 1:
                last += 1
            parts.append(written(code) if last == code else f"{written(code)}-{written(last)}")
            code = last
        code += 1
    return f"[{'^' * negated}{''.join(parts)}]"
