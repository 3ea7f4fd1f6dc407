"""`relay install` and `relay uninstall`: relay as a service of this host.

They ask nothing, say what they did, and can be repeated.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from relay.cli import completion
from relay.cli.common import FINE, PROBLEM, SYSTEM_RULES, USAGE, complain, parser
from relay.cli.shipped import sample_rules, shipped
from relay.cli.steps import Call, File, Folder, Gone, Link, Step, Target

PROGRAM: Final = "/usr/bin/relay"  # as the shipped units have it
UNITS: Final = "/usr/local/lib/systemd/system"
SYSUSERS: Final = "/usr/local/lib/sysusers.d/relay.conf"
TMPFILES: Final = "/usr/local/lib/tmpfiles.d/relay.conf"
POLKIT: Final = "/etc/polkit-1/rules.d/50-relay.rules"
COMPLETIONS: Final = {
    "bash": "/usr/local/share/bash-completion/completions/relay",
    "zsh": "/usr/local/share/zsh/site-functions/_relay",
    "fish": "/usr/local/share/fish/vendor_completions.d/relay.fish",
}
COMMAND: Final = "/usr/local/bin/relay"  # where a shell finds it
PLAIN: Final = re.compile(r"[\w@+,./-]+")  # what stands for itself in ExecStart=
HIDDEN: Final = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108 - what the unit's sandbox hides

Grants = Mapping[str, Sequence[str]]  # by unit: the verbs that relay may ask of systemd


def main(name: str, given: Sequence[str]) -> int:
    """Install or remove; status 1 if a step failed."""
    if name == "install":
        text = (
            "Install relay as a service: user and group, folders, systemd units, polkit rule, sample rules, "
            "shell completion. Asks nothing; may be repeated, as after an update; leaves rules.yaml alone."
        )
    else:
        text = "Remove what `relay install` installed. Rules, credentials, the store and the user stay."
    arguments = parser(name, text, f"sudo /opt/relay/bin/relay {name} --dry-run")
    arguments.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    arguments.add_argument(
        "--root", metavar="DIR", default="/", help="a tree to install into (default: this host)"
    )
    if name == "install":
        arguments.add_argument("--now", action="store_true", help="enable and start (or restart) it, too")
    options = arguments.parse_args(given)
    target = Target(Path(options.root).resolve(), options.dry_run)
    if not target.dry and target.is_host and os.geteuid() != 0:
        complain(f"only root can do that: sudo relay {name} (or --dry-run)")
        return PROBLEM
    if not target.path("/etc/group").exists():  # or a slip in DIR leaves half an installation there
        complain(f"{target.root} is no system's tree: it has no etc/group")
        return PROBLEM
    os.umask(0o022)  # the folders above: polkit and the shells of users must get through
    return _install(target, now=options.now) if name == "install" else _remove(target)


def _install(target: Target, *, now: bool) -> int:
    program = PROGRAM
    if target.is_host:
        program = own_program()
        if program.startswith(HIDDEN):
            complain(
                f"{program} is hidden from the service by its sandbox: install relay under /opt/relay, say"
            )
            return USAGE
        if not PLAIN.fullmatch(program):
            complain(
                f"systemd would not take {program!r}: install relay under a path without spaces and signs"
            )
            return USAGE
    grants = granted(target.path(SYSTEM_RULES))
    starts = starting() if now and grants is not None else ()
    status = _take(target, [*installation(program, grants), *starts])
    if status != FINE:
        return status
    for line in advice(target, grants, now=now):
        print(line)
    if now and grants is None:
        complain(f"{SYSTEM_RULES} has errors: nothing was started or restarted")
        return PROBLEM
    return FINE


def _remove(target: Target) -> int:
    status = _take(target, removal())
    if status == FINE:
        print("left: /etc/relay, /var/lib/relay, user and group relay; remove them if nobody wants them")
    return status


def installation(program: str, grants: Grants | None) -> list[Step]:
    """The steps, in order: the user before what belongs to it."""
    from relay.watchdog.polkit import written  # noqa: PLC0415 - with the rest of what reads rules

    units = [
        File(f"{UNITS}/{name}", shipped(name).replace(PROGRAM, program))
        for name in ("relay.service", "relay.socket")
    ]
    return [
        File(SYSUSERS, shipped("sysusers.conf")),
        Call(("systemd-sysusers",)),
        Folder("/etc/relay", 0o750, "relay"),
        Folder("/etc/relay/credentials", 0o700),
        File(SYSTEM_RULES, sample_rules(), 0o640, "relay", keep=True),
        File(TMPFILES, shipped("tmpfiles.conf")),
        Call(("systemd-tmpfiles", "--create", TMPFILES), host_only=True),
        *units,
        File(POLKIT, written(grants or {}), keep=grants is None),
        *(File(where, completion.script(shell)) for shell, where in COMPLETIONS.items()),
        *([] if program in (PROGRAM, COMMAND) else [Link(COMMAND, program)]),
        Call(("systemctl", "daemon-reload"), host_only=True, may_fail=True),
    ]


def starting() -> list[Step]:
    """Enable it, and start what is to run now."""
    units = ("relay.socket", "relay.service")
    return [
        Call(("systemctl", "enable", "--quiet", *units), host_only=True),
        Call(("systemctl", "start", "relay.socket"), host_only=True),
        Call(("systemctl", "restart", "relay.service"), host_only=True),
    ]


def removal() -> list[Step]:
    """The steps back; what people wrote and what relay learned stays."""
    units = ("relay.socket", "relay.service")
    files = (*(f"{UNITS}/{unit}" for unit in units), POLKIT, TMPFILES, SYSUSERS, *COMPLETIONS.values())
    return [
        Call(("systemctl", "disable", "--now", "--quiet", *units), host_only=True, may_fail=True),
        *map(Gone, files),
        *([Gone(COMMAND)] if Path(COMMAND).is_symlink() else []),
        Call(("systemctl", "daemon-reload"), host_only=True, may_fail=True),
    ]


def _take(target: Target, steps: Sequence[Step]) -> int:
    would = "would be " if target.dry else ""
    for step in steps:
        try:
            word, what = step.run(target)
        except (OSError, LookupError) as error:
            complain(error)
            return PROBLEM
        same = word in {"unchanged", "kept", "absent", "skipped"}
        print(f"{word if same else would + word:>{len(would) + 9}}  {what}")
    return FINE


def advice(target: Target, grants: Grants | None, *, now: bool) -> Iterator[str]:
    """What a person should know or do next."""
    older = [
        unit
        for unit in ("relay.service", "relay.socket")
        if target.path(f"/etc/systemd/system/{unit}").exists()
    ]
    for unit in older:
        yield f"note: /etc/systemd/system/{unit} comes before the one installed here: remove it"
    if grants is None:
        yield f"note: {SYSTEM_RULES} has errors (`relay check`): what relay may restart stays as it was"
    elif grants:
        yield f"relay may restart {', '.join(grants)}, as {SYSTEM_RULES} says; after edits of it: again"
        if not target.path("/usr/share/polkit-1").exists():
            yield "note: polkit is not installed: without it relay can restart nothing"
    if not now:
        yield f"next: edit {SYSTEM_RULES}, `relay check`, then `relay install --now` to enable and start it"


def own_program() -> str:
    """The `relay` that is running, by a path that lasts."""
    for candidate in (sys.argv[0], Path(sysconfig.get_path("scripts")) / "relay", shutil.which("relay")):
        if candidate and Path(candidate).name == "relay" and os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)  # noqa: PTH100 - not resolved: a link may be the stable name
    return PROGRAM


def granted(rules: Path) -> Grants | None:
    """The units that the watchdog's remedies name, each with its verbs; None where the rules have errors."""
    from relay.reload import prepare  # noqa: PLC0415 - heavy, and not for --help
    from relay.watchdog.polkit import verbs_by_unit  # noqa: PLC0415

    if not rules.exists():
        return {}
    prepared = prepare(str(rules), lenient_secrets=True)
    return verbs_by_unit(prepared.rules.config.watchdog.values()) if prepared.rules else None
