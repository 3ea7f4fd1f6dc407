"""Secrets in any form they travel in."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import Struct

from relay.backends.mask import Mask
from relay.values import Secret


class Some(Struct):
    url: Secret
    headers: dict[str, Secret]
    keys: tuple[Secret, ...]
    name: str


SOME = Some(
    url=Secret("https://us%40r:p%2Fw@h.example/hooks/T0K3NT0K3N/x?key=k%2Bk%2Bk%2Bk&n=1#frag"),
    headers={"A": Secret("Bearer b/1")},
    keys=(Secret("k1"), Secret("")),
    name="plain",
)


def test_every_secret_of_the_settings_is_hidden() -> None:
    mask = Mask.of(SOME)
    for text in (
        SOME.url.reveal(),
        "/hooks/T0K3NT0K3N/x",
        "path T0K3NT0K3N",
        "k+k+k+k",
        quote("k+k+k+k", safe=""),
        "us@r:p/w",
        "dXNAcjpwL3c=",  # as Basic authorization
        "Bearer b/1",
        "k1",
    ):
        shown = mask(f"error: {text}.")
        assert text not in shown, text
        assert "***" in shown
    assert mask("h.example says no, plain") == "h.example says no, plain"


def test_a_mask_shows_nothing_of_itself() -> None:
    assert repr(Mask(["s3cr3t"])) == "Mask(***)"
    assert not hasattr(Mask(["s3cr3t"]), "__dict__")


def test_the_longest_goes_first() -> None:
    assert Mask(["abc", "abcdef"])("abcdef abc") == "*** ***"


def test_a_broken_url_is_still_a_secret() -> None:
    assert Mask(["http://[broken"])("to http://[broken") == "to ***"
