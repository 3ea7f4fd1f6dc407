"""The rule that lets an unprivileged relay restart exactly the units that rules.yaml names, and nothing else.

polkit asks it for each call: action `org.freedesktop.systemd1.manage-units`, with the unit and the verb
(systemd 226 and later). Names and verbs were checked when the rules were loaded: none can end a string here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from relay.config.commands import full_unit
from relay.config.schema import Watch

USER: Final = "relay"
_TO_POLKIT: Final = {"try-reload-or-restart": "reload-or-try-restart"}  # systemd's word is not systemctl's
_RULE: Final = """\
// What relay, which runs without privileges, may ask of systemd, and nothing else.
// `relay install` writes it, by what rules.yaml restarts.
polkit.addRule(function(action, subject) {{
    var allowed = {allowed};
    if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == {user}) {{
        var verbs = allowed[action.lookup("unit")];
        if (verbs && verbs.indexOf(action.lookup("verb")) >= 0) {{
            return polkit.Result.YES;
        }}
    }}
    return polkit.Result.NOT_HANDLED;
}});
"""


def written(allowed: Mapping[str, Sequence[str]], user: str = USER) -> str:
    """The rule's text; it grants nothing where nothing is allowed."""
    shown = json.dumps(allowed, indent=4, sort_keys=True).replace("\n", "\n    ")
    return _RULE.format(allowed=shown, user=json.dumps(user))


def verbs_by_unit(watches: Iterable[Watch]) -> dict[str, list[str]]:
    """What the entries' remedies ask of systemd."""
    wanted: dict[str, set[str]] = {}
    for watch in watches:
        verb, units = _asked(watch)
        for unit in units:
            wanted.setdefault(full_unit(unit), set()).add(_TO_POLKIT.get(verb, verb))
    return {unit: sorted(verbs) for unit, verbs in wanted.items()}


def _asked(watch: Watch) -> tuple[str, list[str]]:
    if isinstance(watch.restart, str):
        return "restart", [watch.restart]
    words = [word for word in watch.restart[1:] if not word.startswith("-")]
    if not words or PurePosixPath(watch.restart[0]).name != "systemctl":
        return "", []
    return words[0], words[1:]
