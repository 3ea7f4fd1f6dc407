"""Messages that must not be equal."""

from __future__ import annotations

from relay.backends.compose import compose
from relay.backends.receivers import marked
from tests.backends.messages import NOW, message


def test_messages_about_relay_itself_are_told_apart() -> None:
    first, again, other = (marked(compose(told, NOW), told).footer for told in OWN)
    assert first == again != other
    told = message()
    assert marked(compose(told, NOW), told).footer == "alert 17"


OWN = (message(alert=0, key="a"), message(alert=0, key="a"), message(alert=0, key="b"))
