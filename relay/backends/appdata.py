"""A message as data, for an app of one's own that shows it in its own way."""

from __future__ import annotations

from relay.backends.compose import Composition
from relay.backends.dialect import headline, text_of
from relay.backends.http import json_bytes
from relay.models import Message


def app_data(message: Message, composition: Composition) -> str:
    """A JSON object of stable names; `text` is the whole message for people.

    `dedup_key` is the same for all messages about one alert, `key` for all attempts of one message.
    """
    data = {
        "title": headline(composition),
        "text": text_of(composition),
        "severity": message.level.word,
        "state": message.state.value,
        "url": composition.links[0].url if composition.links else "",
        "dedup_key": message.fingerprint,
        "key": message.key,
        "ts": int(message.last_seen),  # seconds since the epoch
    }
    return json_bytes(data).decode()
