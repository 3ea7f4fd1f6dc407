"""DingTalk's callbacks: vectors, and what must be refused."""

from __future__ import annotations

import pytest

from relay.backends.callbacks import CallbackRefusedError
from relay.backends.dingtalk_callback import card_signature, require_genuine_message, require_genuine_tap
from relay.backends.dingtalk_robot import signature

AT = 1577262236757  # milliseconds
SIGNED = "DJrE6qdyVGCQz9z5r2MDuNcNAhwYnuAkyj13cx169CA="
TAP = "ZDl1TSqcOZvcWEsqqUm1kbBYI8Lv5ssEdzZ3QsjoP9c="


def test_the_vectors() -> None:
    assert signature(AT, "this is a secret") == SIGNED
    assert card_signature("1700000000000", "ACTION") == TAP


def test_genuine_ones_pass() -> None:
    require_genuine_message("this is a secret", {"timestamp": str(AT), "sign": SIGNED}, AT / 1000 + 3599)
    tap = {"x-ddpaas-signature-timestamp": "1700000000000", "x-ddpaas-signature": TAP}
    require_genuine_tap("ACTION", tap, 1700000000 - 3599)


@pytest.mark.parametrize("at", ["", "soon", "1577262236758", "-1", "٣", "9" * 400])
@pytest.mark.parametrize("sign", ["", SIGNED, TAP, "\ud800"])
def test_others_are_refused(at: str, sign: str) -> None:
    with pytest.raises(CallbackRefusedError):
        require_genuine_message("this is a secret", {"timestamp": at, "sign": sign}, AT / 1000)
    tap = {"x-ddpaas-signature-timestamp": at, "x-ddpaas-signature": sign}
    with pytest.raises(CallbackRefusedError):
        require_genuine_tap("ACTION", tap, AT / 1000)


def test_old_ones_are_refused() -> None:
    with pytest.raises(CallbackRefusedError, match="time stamp"):
        require_genuine_message("this is a secret", {"timestamp": str(AT), "sign": SIGNED}, AT / 1000 + 3601)
    tap = {"x-ddpaas-signature-timestamp": "1700000000000", "x-ddpaas-signature": TAP}
    with pytest.raises(CallbackRefusedError, match="time stamp"):
        require_genuine_tap("ACTION", tap, 1700000000 + 3601)
