"""`relay install` into a tree: what is there afterwards, and what a second run leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import which

import pytest

from relay.cli import install
from relay.cli.shipped import sample_rules, shipped
from relay.cli.steps import File, Link, Target
from relay.reload import prepare
from tests.cli.test_cli import relay

TOP = Path(install.__file__).parent.parent.parent

needs_sysusers = pytest.mark.skipif(
    which("systemd-sysusers") is None or os.geteuid() != 0, reason="needs root and systemd-sysusers"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As little of a system as has users."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (tmp_path / "etc/group").write_text("root:x:0:\nadm:x:4:\n")
    return tmp_path


def installed(tree: Path, *more: str) -> str:
    done = relay("install", "--root", str(tree), *more)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_folder_that_is_no_system_is_left_alone(
    tmp_path: Path, command: str, more: tuple[str, ...]
) -> None:
    done = relay(command, "--root", str(tmp_path / "slip"), *more)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is no system's tree: it has no etc/group" in done.stderr
    assert list(tmp_path.iterdir()) == []


@needs_sysusers
def test_install_says_what_it_did_and_a_second_run_changes_nothing(tree: Path) -> None:
    said = installed(tree)
    group = next(line for line in (tree / "etc/group").read_text().splitlines() if line.startswith("relay:"))
    assert "relay:x:" in (tree / "etc/passwd").read_text()
    rules, secrets = tree / "etc/relay/rules.yaml", tree / "etc/relay/credentials"
    assert (rules.stat().st_mode & 0o777, rules.stat().st_gid) == (0o640, int(group.split(":")[2]))
    assert (secrets.stat().st_mode & 0o777, secrets.stat().st_uid) == (0o700, 0)
    for name in ("relay.service", "relay.socket"):
        assert (tree / f"usr/local/lib/systemd/system/{name}").read_text() == shipped(name)
    assert said.count("written") == 9
    before = snapshot(tree)
    again = installed(tree)
    assert snapshot(tree) == before
    assert "written" not in again
    assert "replaced" not in again


@needs_sysusers
def test_an_edited_rules_yaml_is_never_touched_and_other_files_are_renewed(tree: Path) -> None:
    installed(tree)
    rules = tree / "etc/relay/rules.yaml"
    rules.write_text("rules: []  # mine\n")
    unit = tree / "usr/local/lib/systemd/system/relay.service"
    unit.write_text("of an older relay\n")
    said = installed(tree)
    assert "kept  /etc/relay/rules.yaml" in said
    assert "replaced  /usr/local/lib/systemd/system/relay.service" in said
    assert rules.read_text() == "rules: []  # mine\n"
    assert unit.read_text() == shipped("relay.service")


def test_a_dry_run_does_nothing(tree: Path) -> None:
    before = snapshot(tree)
    assert "would be written  /etc/relay/rules.yaml" in installed(tree, "--dry-run")
    assert snapshot(tree) == before


@needs_sysusers
def test_uninstall_leaves_what_people_wrote(tree: Path) -> None:
    installed(tree)
    for _ in range(2):
        done = relay("uninstall", "--root", str(tree))
        assert (done.returncode, "left: /etc/relay" in done.stdout) == (0, True)
    left = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    ours = {path for path in left if "relay" in path}
    assert ours == {"etc/relay/rules.yaml"}


def test_a_failing_step_ends_it_with_words(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    (tmp_path / "usr").write_text("no folder")
    done = relay("install", "--root", str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "/usr/" in done.stderr


def test_the_sample_is_fine_where_it_is_installed(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(sample_rules())
    rules.chmod(0o640)
    prepared = prepare(str(rules))
    assert prepared.problems == []
    assert prepared.rules is not None
    config = prepared.rules.config
    assert config.store == "/var/lib/relay/relay.db"
    assert config.control == "/run/relay/control.sock"
    assert "run/relay" not in sample_rules().replace("/run/relay", "")


def test_polkit_grants_the_units_that_the_rules_name(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "watchdog:\n"
        "  a: {check: 'tcp://x:1', restart: [systemctl, restart, orders-worker]}\n"
        "  b: {check: 'tcp://x:1', restart: shop@1.service}\n"
        "  c: {check: 'tcp://x:1', restart: [/usr/local/bin/kick, now]}\n"
    )
    assert install.granted(rules) == {"orders-worker.service": ["restart"], "shop@1.service": ["restart"]}
    rules.write_text("watchdog:\n  a: {check: 'tcp://x:1', restart: 'a;reboot'}\n")
    assert install.granted(rules) is None
    assert install.granted(tmp_path / "absent.yaml") == {}


def test_the_units_start_the_relay_that_installed_them(tmp_path: Path) -> None:
    """One in an environment of its own, say; and a shell finds it under /usr/local/bin."""
    steps = install.installation("/opt/relay/bin/relay", {})
    (unit,) = [step for step in steps if isinstance(step, File) and step.name.endswith("relay.service")]
    assert "ExecStart=/opt/relay/bin/relay run" in unit.text
    assert "/usr/bin/relay" not in unit.text
    assert Link("/usr/local/bin/relay", "/opt/relay/bin/relay") in steps


@needs_sysusers
def test_rules_with_errors_take_no_permission_away(tree: Path) -> None:
    """An update whose relay finds an error: the watchdog must go on restarting what it restarted."""
    installed(tree)
    rules, polkit = tree / "etc/relay/rules.yaml", tree / "etc/polkit-1/rules.d/50-relay.rules"
    rules.write_text("watchdog: {a: {check: 'tcp://127.0.0.1:1', restart: shop.service}}\n")
    assert "relay may restart shop.service" in installed(tree)
    granted = polkit.read_text()
    rules.write_text(rules.read_text() + "recipents: {}\n")
    assert "has errors" in installed(tree)
    assert polkit.read_text() == granted
    assert "shop.service" in granted
    done = relay("install", "--root", str(tree), "--now")
    assert (done.returncode, "nothing was started or restarted" in done.stderr) == (1, True)
    assert "systemctl restart" not in done.stdout


@needs_sysusers
def test_modes_and_owners_are_mended(tree: Path) -> None:
    installed(tree)
    polkit, folder = tree / "etc/polkit-1/rules.d/50-relay.rules", tree / "etc/relay/credentials"
    polkit.chmod(0o666)
    os.chown(polkit, 65534, 65534)
    folder.chmod(0o755)
    assert "would be replaced  /etc/polkit-1/rules.d/50-relay.rules" in installed(tree, "--dry-run")
    said = installed(tree)
    assert "replaced  /etc/polkit-1/rules.d/50-relay.rules" in said
    assert "mended  /etc/relay/credentials" in said
    assert (polkit.stat().st_mode & 0o777, polkit.stat().st_uid) == (0o644, 0)
    assert folder.stat().st_mode & 0o777 == 0o700


@needs_sysusers
def test_a_strict_umask_hides_nothing_from_polkit_and_shells(tree: Path) -> None:
    command = [sys.executable, "-m", "relay", "install", "--root", str(tree)]
    subprocess.run(command, check=True, capture_output=True, umask=0o077)
    for name in ("etc/polkit-1", "etc/polkit-1/rules.d", "usr/local/share/bash-completion/completions"):
        assert (tree / name).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("program", ["/opt/my relay/bin/relay", "/opt/100%/bin/relay", "/opt/$x/bin/relay"])
def test_a_path_that_systemd_would_read_otherwise_is_refused(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "own_program", lambda: program)
    assert install.main("install", ["--dry-run"]) == 2
    assert "without spaces" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["install", "uninstall"])
def test_only_root_may(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install.main(name, []) == 1
    assert capsys.readouterr().err.startswith("relay: only root can do that")


def test_another_program_of_that_name_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "usr/local/bin/relay"
    place.parent.mkdir(parents=True)
    place.write_text("somebody else's")
    assert Link("/usr/local/bin/relay", "/opt/relay/bin/relay").run(Target(tmp_path))[0] == "kept"
    assert place.read_text() == "somebody else's"
    place.unlink()
    assert Link("/usr/local/bin/relay", "/opt/relay/bin/relay").run(Target(tmp_path))[0] == "linked"
    assert place.readlink() == Path("/opt/relay/bin/relay")


def test_the_wheel_holds_what_install_installs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        for path in [*(TOP / "systemd").iterdir(), TOP / "rules.yaml"]:
            assert content.read(f"relay/shipped/{path.name}") == path.read_bytes()


def snapshot(tree: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(tree.rglob("*"))
        if not path.name.startswith(".pwd")
    }
