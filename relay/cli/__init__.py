"""The command line. Nothing heavy is imported before the command is known: `relay send` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Final

# name -> (module, what it does). One module per group of commands; each has `main(name, arguments) -> int`.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("run", "run the daemon"),
    "check": ("check", "check rules.yaml and prove its examples"),
    "reload": ("desk", "make the running daemon read its rules again"),
    "send": ("send", "send one event to the running daemon"),
    "status": ("desk", "how the running daemon is doing"),
    "alerts": ("desk", "list alerts, or show one with its events and deliveries"),
    "explain": ("explain", "say why an event would reach someone, or not"),
    "oncall": ("oncall", "who is on duty, until when, and who comes next"),
    "render": ("render", "show what an event would look like at each backend; nothing is sent"),
    "fingerprint": ("fingerprint", "say which lines of a file are the same problem"),
    "outbox": ("outbox", "list, show, retry or drop deliveries"),
    "watchdog": ("watchdog", "list the checks, look at one now, pause or resume one"),
    "doctor": ("doctor", "check backends, recipients and sources; send a test message"),
    "backends": ("backends", "the services relay can reach, and how to set each up"),
    "install": ("install", "install relay as a service of this host"),
    "uninstall": ("install", "remove what `relay install` installed, but for rules and store"),
    "completion": ("completion", "print what completes relay's commands in bash, zsh or fish"),
}

USAGE: Final = """\
relay tells the right person about each problem, once, through a channel that accepted it.

usage: relay COMMAND [arguments]      relay COMMAND --help says more, with an example

{commands}

exit status: 0 fine, 1 a problem in what was given, 2 wrong usage, 3 relay can't be reached
"""


def main() -> int:
    """Run the command that the arguments name."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0 if arguments else 2
    if arguments[0] in {"-V", "--version"}:
        from relay import __version__  # noqa: PLC0415 - as the modules below

        print(f"relay {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        return unknown(name)
    module = importlib.import_module(f"relay.cli.{COMMANDS[name][0]}")
    try:
        return int(module.main(name, arguments[1:]))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `relay alerts | head`
        sys.stderr.close()
        return 0


def usage() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS))
    return USAGE.format(
        commands="\n".join(f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items())
    )


def unknown(name: str) -> int:
    """Say which command was probably meant."""
    import difflib  # noqa: PLC0415 - only for mistakes

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    guess = f" (did you mean {close[0]!r}?)" if close else ""
    print(f"relay: unknown command {name!r}{guess}; `relay --help` lists them", file=sys.stderr)
    return 2
