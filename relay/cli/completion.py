"""`relay completion`: what completes relay's commands in a shell, made from the commands' own parsers."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from relay.cli import COMMANDS
from relay.cli.common import DESCRIBE, FINE, Described, parser


class Option(NamedTuple):
    """One option: its names, what it is for, the words it takes (none: anything, or a file)."""

    names: tuple[str, ...]
    text: str
    words: tuple[str, ...]
    takes_file: bool


class Command(NamedTuple):
    """What may follow a command's name."""

    text: str
    options: tuple[Option, ...]
    words: tuple[str, ...]  # of its positional argument, or of its verbs
    takes_file: bool


def main(name: str, given: Sequence[str]) -> int:
    """Print the script."""
    arguments = parser(
        name,
        "Print a script that completes relay's commands and options; `relay install` installs all three.",
        "relay completion bash > ~/.local/share/bash-completion/completions/relay",
    )
    arguments.add_argument("shell", choices=SHELLS)
    options = arguments.parse_args(given)
    print(script(options.shell), end="")
    return FINE


def script(shell: str) -> str:
    """The completions of that shell."""
    return SHELLS[shell](commands())


def commands() -> dict[str, Command]:
    """Every command, as its own parser describes it."""
    return {name: _command(name, text) for name, (_, text) in COMMANDS.items()}


def _command(name: str, text: str) -> Command:
    module = importlib.import_module(f"relay.cli.{COMMANDS[name][0]}")
    try:
        module.main(name, DESCRIBE)
    except Described as described:
        found = list(_of(described.parser))
    else:
        raise AssertionError(f"relay {name} doesn't parse its arguments")
    options = {each.names: each for each in found if isinstance(each, Option)}
    words = tuple(word for each in found if not isinstance(each, Option) for word in each)
    return Command(
        text, tuple(options.values()), tuple(word for word in words if word != _FILE), _FILE in words
    )


_FILE: Final = "\0file"


def _of(described: argparse.ArgumentParser) -> Iterator[Option | tuple[str, ...]]:
    """Options, and the words of positional arguments; those of verbs too."""
    for action in described._actions:  # noqa: SLF001 - argparse has no other way to ask
        words = tuple(str(each) for each in action.choices or ())
        is_file = "file" in (action.dest, str(action.metavar).lower()) or action.metavar == "DIR"
        if action.option_strings:
            shown = (action.help or "").split("; ")[0].split(" (")[0]
            yield Option(
                tuple(action.option_strings), "" if shown == "==SUPPRESS==" else shown, words, is_file
            )
        else:
            yield words or ((_FILE,) if is_file else ())
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for verb in action.choices.values():
                yield from (each for each in _of(verb) if isinstance(each, Option))


def _bash(known: Mapping[str, Command]) -> str:
    cases = []
    for name, command in known.items():
        flags = " ".join(flag for option in command.options for flag in option.names)
        cases.append(f"        {name})\n            case $prev in")
        for option in command.options:
            if option.words:
                reply = f"COMPREPLY=($(compgen -W '{' '.join(option.words)}' -- \"$cur\"))"
                cases.append(f"                {'|'.join(option.names)}) {reply}; return ;;")
            elif option.takes_file:
                reply = 'COMPREPLY=($(compgen -f -- "$cur"))'
                cases.append(f"                {'|'.join(option.names)}) {reply}; return ;;")
        cases.append("            esac")
        words = " ".join(command.words)
        cases.append(f"            words='{flags} {words}' files={int(command.takes_file)} ;;")
    return (
        "# bash completion of relay, made by `relay completion bash`\n"
        "_relay() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words= files=0\n"
        '    if [ "$COMP_CWORD" = 1 ]; then\n'
        f"        COMPREPLY=($(compgen -W '{' '.join(known)}' -- \"$cur\"))\n"
        "        return\n"
        "    fi\n"
        "    case ${COMP_WORDS[1]} in\n" + "\n".join(cases) + "\n    esac\n"
        '    COMPREPLY=($(compgen -W "$words" -- "$cur"))\n'
        '    if [ "$files" = 1 ] && [ "${cur:0:1}" != - ]; then\n'
        '        COMPREPLY+=($(compgen -f -- "$cur"))\n'
        "    fi\n"
        "}\n"
        "complete -o filenames -F _relay relay\n"
    )


def _zsh(known: Mapping[str, Command]) -> str:
    names = "\n".join(f"    {_quoted(f'{name}:{command.text}')}" for name, command in known.items())
    cases = []
    for name, command in known.items():
        specs = [_zsh_option(flag, option) for option in command.options for flag in option.names]
        words = " ".join(command.words)
        if command.takes_file:
            specs.append("'*:file:_files'")
        elif words:
            specs.append(_quoted(f"1:what:({words})"))
        cases.append(f"    {name}) _arguments {' '.join(specs)} ;;")
    return (
        "#compdef relay\n"
        "# zsh completion of relay, made by `relay completion zsh`\n"
        f"local -a names\nnames=(\n{names}\n)\n"
        "if (( CURRENT == 2 )); then\n    _describe command names\n    return\nfi\n"
        "shift words; (( CURRENT-- ))\n"
        "case $words[1] in\n" + "\n".join(cases) + "\nesac\n"
    )


def _zsh_option(flag: str, option: Option) -> str:
    text = option.text.translate({ord(each): None for each in "[]:"})
    takes = (
        f":word:({' '.join(option.words)})" if option.words else ":file:_files" if option.takes_file else ""
    )
    return _quoted(f"{flag}[{text}]{takes}")


def _fish(known: Mapping[str, Command]) -> str:
    lines = ["# fish completion of relay, made by `relay completion fish`", "complete -c relay -f"]
    for name, command in known.items():
        lines.append(f"complete -c relay -n __fish_use_subcommand -a {name} -d {_quoted(command.text)}")
        within = f"complete -c relay -n '__fish_seen_subcommand_from {name}'"
        for option in command.options:
            flags = " ".join(f"-{'l' if flag[1] == '-' else 's'} {flag.lstrip('-')}" for flag in option.names)
            takes = f" -x -a {_quoted(' '.join(option.words))}" if option.words else ""
            takes = takes or (" -r -F" if option.takes_file else "")
            lines.append(f"{within} {flags}{takes} -d {_quoted(option.text)}")
        if words := " ".join(command.words):
            lines.append(f"{within} -a {_quoted(words)}")
        if command.takes_file:
            lines.append(f"{within} -F")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """As one word of any of the shells."""
    return "'" + text.replace("'", "’") + "'"


SHELLS: Final[Mapping[str, Callable[[Mapping[str, Command]], str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
