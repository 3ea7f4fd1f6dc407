"""What is completed is what the commands take."""

import subprocess
from shutil import which

import pytest

from relay.cli import COMMANDS, completion


def test_every_command_is_described_by_its_own_parser() -> None:
    known = completion.commands()
    assert known.keys() == COMMANDS.keys()
    flags = {flag for option in known["outbox"].options for flag in option.names}
    assert {"--state", "--all-dead", "--config", "--json", "--help"} <= flags
    assert known["outbox"].words == ("list", "show", "retry", "drop")
    assert known["check"].takes_file
    (level,) = [option for option in known["send"].options if "--level" in option.names]
    assert "critical" in level.words


def complete(*words: str) -> set[str]:
    """What bash offers for the last of these words."""
    line = f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; _relay; "
    script = completion.script("bash") + line + 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes() -> None:
    assert complete("relay", "sta") == {"status"}
    assert complete("relay", "send", "--level", "cr") == {"critical"}
    assert complete("relay", "outbox", "re") == {"retry"}
    assert complete("relay", "outbox", "list", "--state", "d") == {"delivered", "dead"}
    assert complete("relay", "install", "--d") == {"--dry-run"}
    assert complete("relay", "check", "/etc/host") >= {"/etc/hosts"}
    assert complete("relay", "nonsense", "") == set()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_it(shell: str) -> None:
    if which(shell) is None:
        pytest.skip(f"{shell} is not here")
    done = subprocess.run(
        [shell, "-n", "/dev/stdin"],
        input=completion.script(shell),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_and_option_is_in_each_script() -> None:
    for shell in completion.SHELLS:
        text = completion.script(shell)
        assert all(name in text for name in COMMANDS)
        assert "all-dead" in text
        assert completion._FILE not in text
