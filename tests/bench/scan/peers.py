"""The tools beside relay: each gets the same rules as patterns on lines, as well as it can say them.

They are asked for less than relay does: which lines match any rule; no exceptions, no labels, no stack
traces joined, nothing made durable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.bench.scan.packages import program
from tests.bench.scan.rules import Written


class Job(Struct, frozen=True):
    """How a tool is run over a file, and how to read what it counted."""

    command: Sequence[str]
    found: Callable[[], int]  # lines that it has matched so far
    out: Path | None = None  # its standard output
    stdin: Path | None = None
    env: Mapping[str, str] = {}
    stays: bool = False  # it doesn't end by itself: it is done once it has found what there is


Prepare = Callable[[Sequence[Written], Path, Path], Job]
"""The rules, the log and a folder of its own, to a job. Raises `MissingError`."""


# --- patterns -----------------------------------------------------------------------------------------


def posix(rule: Written) -> str:
    """As an extended regular expression of POSIX with GNU's `\\w`."""
    pattern = rule.for_peers.replace(r"[\w.]", "[[:alnum:]_.]")
    pattern = pattern.replace(r"\w", "[[:alnum:]_]").replace(r"\d", "[0-9]")
    return _any_case(pattern) if rule.ignore_case else pattern


def perl(rule: Written) -> str:
    """As a regular expression of Perl, PCRE, Python and Rust."""
    return f"(?i:{rule.for_peers})" if rule.ignore_case else rule.for_peers


def _any_case(pattern: str) -> str:
    assert "\\" not in pattern
    return re.sub(r"[A-Za-z]", lambda found: f"[{found[0].lower()}{found[0].upper()}]", pattern)


# --- the tools ----------------------------------------------------------------------------------------


def _lines_of(path: Path) -> Callable[[], int]:
    return lambda: path.read_bytes().count(b"\n") if path.exists() else 0


def _number_in(path: Path) -> Callable[[], int]:
    return lambda: int(path.read_text() or 0)


def _cat(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    return Job(["cat", str(log)], lambda: 0)


def _wc(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    return Job(["wc", "-l", str(log)], lambda: 0)


def _grep(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    patterns, out = _patterns(folder, map(posix, rules)), folder / "out"
    command = ["grep", "-E", "-c", "-f", str(patterns), str(log)]
    return Job(command, _number_in(out), out, env={"LC_ALL": "C"})


def _ripgrep(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    rg, patterns, out = program("rg", "ripgrep"), _patterns(folder, map(perl, rules)), folder / "out"
    command = [rg.path, "--no-config", "-j1", "-c", "-f", str(patterns), str(log)]
    return Job(command, _number_in(out), out, env=rg.env)


def _patterns(folder: Path, patterns: Iterable[str]) -> Path:
    path = folder / "patterns"
    path.write_text("".join(f"{each}\n" for each in patterns))
    return path


def _syslog_ng(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    tool, out = program("syslog-ng", "syslog-ng-core"), folder / "matched"
    version = ".".join(tool.version.split(".")[:2])
    any_rule = " or ".join(f"match('{perl(rule)}' value('MESSAGE') type('pcre'))" for rule in rules)
    config = _file(
        folder / "syslog-ng.conf",
        f"""\
@version: {version}
options {{ stats-freq(0); log-msg-size(65536); }};
source lines {{ stdin(flags(no-parse) log-fetch-limit(1000) log-iw-size(100000)); }};
filter wanted {{ {any_rule}; }};
destination out {{ file("{out}"); }};
log {{ source(lines); filter(wanted); destination(out); }};
""",
    )
    modules = sorted(tool.root.glob("usr/lib/syslog-ng/*/"))
    command = [tool.path, "-F", "-f", str(config), "--no-caps", "-R", str(folder / "state")]
    command += ["-p", str(folder / "pid"), "-c", str(folder / "ctl"), "--module-path", str(modules[0])]
    # Its default way to wait can't wait for a file; with poll() it reads standard input to the end and ends.
    env = {**tool.env, "IV_EXCLUDE_POLL_METHOD": "epoll-timerfd epoll ppoll"}
    return Job(command, _lines_of(out), stdin=log, env=env)


def _rsyslog(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    tool, out = program("rsyslogd", "rsyslog"), folder / "matched"
    patterns = [posix(rule).replace("\\", "\\\\") for rule in rules]
    any_rule = "\n or ".join(f're_match($msg, "{pattern}")' for pattern in patterns)
    config = _file(
        folder / "rsyslog.conf",
        f"""\
global(workDirectory="{folder}")
module(load="imfile")
input(type="imfile" file="{log}" tag="log" ruleset="wanted")
template(name="line" type="string" string="%msg%\\n")
ruleset(name="wanted") {{
  if {any_rule} then {{ action(type="omfile" file="{out}" template="line") }}
}}
""",
    )
    command = [tool.path, "-n", "-f", str(config), "-i", str(folder / "pid")]
    if modules := sorted(tool.root.glob("usr/lib/*/rsyslog")):
        command += ["-M", str(modules[0])]
    return Job(command, _lines_of(out), env=tool.env, stays=True)


def _fail2ban(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    tool, out = program("fail2ban-regex", "fail2ban"), folder / "out"
    regexes = "\n ".join(f"<F-ID>(?:{perl(rule)})</F-ID>" for rule in rules)
    config = _file(folder / "filter.conf", f"[Definition]\nfailregex = {regexes}\ndatepattern = {{NONE}}\n")
    settings = str(tool.root / "etc/fail2ban")
    command = ["/usr/bin/python3", tool.path, "-c", settings, "--print-no-missed", str(log), str(config)]

    def found() -> int:
        said = re.search(r"(\d+) matched", out.read_text())
        return int(said[1]) if said else 0

    return Job(command, found, out, env=tool.env)


def _sec(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    tool, out = program("sec", "sec"), folder / "out"
    each = "type=Single\nptype=RegExp\npattern={}\ndesc=found\naction=write - found\n\n"
    config = _file(folder / "sec.conf", "".join(each.format(perl(rule)) for rule in rules))
    command = [tool.path, f"--conf={config}", f"--input={log}", "--notail", "--fromstart"]
    return Job(command, lambda: out.read_bytes().count(b"found\n"), out, env=tool.env)


def _swatchdog(rules: Sequence[Written], log: Path, folder: Path) -> Job:
    tool, out = program("swatchdog", "swatch"), folder / "out"
    config = _file(
        folder / "swatch.conf", "".join(f"watchfor /{perl(rule)}/\n  echo normal\n" for rule in rules)
    )
    command = [tool.path, "-c", str(config), "-f", str(log), f"--script-dir={folder}"]

    def found() -> int:
        lines = out.read_bytes().replace(b"\x1b[0m", b"").splitlines()
        return sum(1 for line in lines if line and not line.startswith(b"***"))  # *** swatchdog version ...

    return Job(command, found, out, env=tool.env)


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


PEERS: Final[dict[str, Prepare]] = {
    "wc -l": _wc,
    "cat": _cat,
    "ripgrep": _ripgrep,
    "grep -E": _grep,
    "syslog-ng": _syslog_ng,
    "rsyslog": _rsyslog,
    "fail2ban": _fail2ban,
    "SEC": _sec,
    "swatchdog": _swatchdog,
}
FLOORS: Final = frozenset({"wc -l", "cat"})  # they only read: nothing to find
