"""What relay may be told to run: argument lists and unit names, refused at load where they could do more.

A command never goes through a shell. What ends or changes the whole host is refused by name.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

# Where a bare name is looked for.
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAM: Final = re.compile(r"/?[A-Za-z0-9_.+@][A-Za-z0-9_.+@/-]*")
_UNIT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:.@\\-]{0,200}")
_KINDS: Final = ("service", "socket", "timer", "path", "mount", "container")
_RESTARTED: Final = ("service", "socket", "timer", "path")  # what may be restarted
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "csh", "tcsh"})
_HOST: Final = frozenset({"reboot", "poweroff", "halt", "shutdown", "init", "telinit", "kexec", "runlevel"})
_HOST_UNITS: Final = re.compile(
    r"(?:systemd-|user@|user-runtime-dir@|(?:init|reboot|poweroff|halt|kexec|shutdown|emergency|rescue|dbus)\.)"
)
_RELAYS_OWN: Final = frozenset({"relay.service", "relay.socket"})
_WRAPPERS: Final = frozenset(  # programs that run the command which follows
    {"sudo", "doas", "su", "runuser", "pkexec", "setpriv", "chroot", "unshare", "nsenter", "systemd-run"}
    | {"env", "nice", "ionice", "chrt", "taskset", "timeout", "time", "nohup", "setsid", "stdbuf", "flock"}
    | {"busybox", "xargs"}
)
# They would act on another host, or on more than the unit.
_FAR: Final = ("-H", "-M", "--host", "--machine", "--root", "--image", "--job-mode")
_VERBS: Final = frozenset(
    {"restart", "start", "try-restart", "reload", "reload-or-restart", "try-reload-or-restart"}
)


def unit_problem(name: str) -> str:
    """What is wrong with a unit's name; empty if nothing."""
    if not _UNIT.fullmatch(name):
        return f"{name[:60]!r} is no unit's name: write orders-worker or orders-worker.service"
    kind = full_unit(name).rpartition(".")[2]
    if full_unit(name).rpartition(".")[0].endswith("@"):
        return f"{name!r} is a template: name one of its units, as in {name.partition('@')[0]}@1"
    if kind not in _KINDS:
        return f"a unit of kind {kind!r} is not for this: allowed: {', '.join(_KINDS)}"
    return ""


def full_unit(name: str) -> str:
    """The unit's name with its kind, as systemctl understands it: `.service` where none is named."""
    known = (*_KINDS, "target", "slice", "scope", "device", "swap", "automount", "snapshot", "busname")
    return name if name.rpartition(".")[2] in known and "." in name else f"{name}.service"


def restart_problem(unit: str) -> str:
    """Why that unit can't be restarted; empty if it can."""
    if wrong := unit_problem(unit):
        return wrong
    full = full_unit(unit)
    if full.rpartition(".")[2] not in _RESTARTED:
        return f"{full!r} can't be restarted: allowed: {', '.join(_RESTARTED)}"
    if _HOST_UNITS.match(full):
        return f"{full!r} is part of the host itself: relay doesn't restart it"
    if full in _RELAYS_OWN:
        return f"{full!r} is relay itself: systemd restarts it when it is stuck (WatchdogSec=) or ends"
    return ""


def command_problem(words: Sequence[str]) -> str:
    """What is wrong with an argument list; empty if nothing."""
    if not words:
        return "an empty command"
    program = words[0]
    if " " in program.strip():
        return f"{program[:60]!r} is a shell's line: write a list, as in [systemctl, restart, orders-worker]"
    if not _PROGRAM.fullmatch(program):
        return f"{program[:60]!r} is no program: write its name or its absolute path"
    if "/" in program and not program.startswith("/"):
        return f"{program[:60]!r} is relative to no folder: write its absolute path"
    if any("\0" in word or "\n" in word for word in words):
        return "a command's words have no line breaks"
    return _program_problem(PurePosixPath(program).name, words[1:])


def absence(program: str) -> str:
    """Why that program couldn't be run on this host, by this user; empty if it could."""
    if shutil.which(program, path=PATH):
        return ""
    return f"{program[:60]!r} is not there, or may not be run by this user"


def _program_problem(name: str, words: Sequence[str]) -> str:
    if name in _SHELLS and _runs_text(words):
        return f"`{name} -c` runs a line of text: write it into a script, and name the script"
    if name in _HOST:
        return f"{name!r} acts on the whole host: relay doesn't run it"
    if name == "systemctl":
        return _systemctl_problem(words)
    return _wrapped_problem(words) if name in _WRAPPERS else ""


def _wrapped_problem(words: Sequence[str]) -> str:
    """Of `sudo -u x env A=b timeout 5 reboot`: the first word that is a program that relay knows decides."""
    for number, word in enumerate(words):
        name = PurePosixPath(word).name
        if name in _SHELLS | _HOST | {"systemctl"}:
            return _program_problem(name, words[number + 1 :])
    return ""


def _runs_text(words: Sequence[str]) -> bool:
    """Whether an option of a shell, before its script, is `-c`, as in `-ec`."""
    for word in words:
        if not word.startswith(("-", "+")):
            return False
        if not word.startswith("--") and "c" in word:
            return True
    return False


def unit_of(words: Sequence[str]) -> str:
    """The unit that `systemctl VERB UNIT` acts on; empty for other commands, and for several units."""
    names = [PurePosixPath(word).name for word in words]
    if not names or names[0] not in {"systemctl", *_WRAPPERS} or "systemctl" not in names:
        return ""
    plain = [word for word in words[names.index("systemctl") + 1 :] if not word.startswith("-")]
    return full_unit(plain[1]) if len(plain) == 2 else ""


def _systemctl_problem(words: Sequence[str]) -> str:
    if far := next((word for word in words if word.startswith(_FAR)), ""):
        return f"systemctl {far[:40]!r} is not for this: it may act on more than the unit, or elsewhere"
    plain = [word for word in words if not word.startswith("-")]
    if not plain or plain[0] not in _VERBS:
        given = plain[0] if plain else "nothing"
        return f"systemctl {given[:40]!r} is not for this: allowed: {', '.join(sorted(_VERBS))}"
    if len(plain) == 1:
        return f"systemctl {plain[0]} names no unit"
    return next((wrong for unit in plain[1:] if (wrong := restart_problem(unit))), "")
