from __future__ import annotations

import json
import re

from relay.config.schema import Watch
from relay.watchdog.polkit import verbs_by_unit, written

ENTRIES = {
    "a": Watch(check="tcp://x:1", restart="orders-worker"),
    "b": Watch(check="tcp://x:1", restart=("/bin/systemctl", "-q", "reload-or-restart", "web", "web.socket")),
    "c": Watch(check="tcp://x:1", restart=("/etc/init.d/old", "restart")),
    "d": Watch(check="tcp://x:1", restart=("systemctl", "restart", "web.service")),
    "f": Watch(check="tcp://x:1", restart=("systemctl", "try-reload-or-restart", "db")),
    "e": Watch(check="tcp://x:1"),
}


def test_units_and_verbs_that_the_remedies_ask_for() -> None:
    assert verbs_by_unit(ENTRIES.values()) == {
        "db.service": ["reload-or-try-restart"],  # systemd's word for it: systemctl's would be refused
        "orders-worker.service": ["restart"],
        "web.service": ["reload-or-restart", "restart"],
        "web.socket": ["reload-or-restart"],
    }


def test_the_rule_names_them_and_the_user_and_nothing_else() -> None:
    text = written(verbs_by_unit(ENTRIES.values()), user="relay")
    found = re.search(r"var allowed = (\{.*?\});", text, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == verbs_by_unit(ENTRIES.values())
    assert 'subject.user == "relay"' in text
    assert text.count("polkit.Result.YES") == 1


def test_without_a_unit_it_grants_nothing() -> None:
    assert verbs_by_unit([ENTRIES["c"]]) == {}
    assert "var allowed = {};" in written({})
