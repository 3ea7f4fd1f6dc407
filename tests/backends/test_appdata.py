"""A message as data for apps."""

from __future__ import annotations

import json

from relay.backends.appdata import app_data
from relay.backends.compose import compose
from relay.models import AlertState, Reason
from tests.backends.messages import NOW, message


def test_apps_can_tell_messages_about_one_alert() -> None:
    first = message()
    over = message(state=AlertState.RESOLVED, reason=Reason.RESOLVED, key="k-17-2")
    firing, resolved = (json.loads(app_data(told, compose(told, NOW))) for told in (first, over))
    assert firing["dedup_key"] == resolved["dedup_key"]
    assert firing["key"] != resolved["key"]
    assert (firing["state"], resolved["state"]) == ("firing", "resolved")
    assert firing["url"] == ""


def test_text_in_data_is_clean() -> None:
    told = message(title="a\ud800\x00", text="b\u202e\x07")
    data = json.loads(app_data(told, compose(told, NOW)))
    assert data["title"] == "[ERROR] pay.refund: a\ufffd"
    assert "\u202e" not in data["text"]
