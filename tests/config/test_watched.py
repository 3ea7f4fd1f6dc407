from __future__ import annotations

import pytest

from relay.config.check_kinds import place_of
from relay.config.commands import command_problem, full_unit, restart_problem, unit_of
from tests.config.conftest import Check
from tests.config.fakes import BASE, errors, lines


def found(check: Check, entry: str) -> list[str]:
    return errors(check(f"{BASE}watchdog:\n  web: {entry}\n"))


@pytest.mark.parametrize(
    "entry",
    [
        "{check: 'tcp://localhost:9090'}",
        "{check: 'tcp://[::1]:9090', failures: {count: 3, of: 5}, recovers: 2}",
        "{check: ['https://shop/health', 'unix:///run/x.sock', 'dns://db', 'redis://db', 'postgres://db:5433']}",
        "{check: {url: 'https://shop/', status: [200, 204], body: /ok/i, header: {Server: nginx}}}",
        "{check: {url: 'tls://mail:465', certificate: 7d}}",
        "{check: {process: {name: nginx}}}",
        "{check: [{unit: web.service}, {port_owner: {port: 80, name: nginx, user: root}}]}",
        "{check: {command: [/usr/bin/true, -v], status: 0, output: fine}}",
        "{check: {file: {path: /x, age: 1h, size: 1KiB, mode: '0640'}}}",
        "{check: [{disk: {path: /, free: 5%}}, {memory: 200MiB}, {load: 8}]}",
        "{check: {file: {path: /tmp, mode: 1777}}}",
        "{check: {command: [/usr/bin/true], status: [0, 1]}, start_grace: 0s}",
        "{check: ['tcp://db_1.shop.:80', 'http://[::1]:80/@x', 'http://bücher.example/', 'dns://localhost']}",
        "{heartbeat: {every: 1h, grace: 0s}}",
        "{heartbeat: {cron: '0 2 * * mon-fri', zone: Europe/Berlin}}",
        "{check: 'tcp://x:1', active: 'mon-fri 08:00-20:00', mute: ['02:00-03:00'], zone: UTC, module: a.*}",
        "{check: 'tcp://x:1', restart: orders-worker, mode: observe, to: ops, repeat: [10m, 1h]}",
        "{check: 'tcp://x:1', restart: [systemctl, restart, orders-worker], log: /var/log/x.log}",
    ],
)
def test_what_an_entry_can_say(check: Check, entry: str) -> None:
    assert found(check, entry) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{}", "write either `check` or `heartbeat`"),
        ("{check: 'tcp://x:1', heartbeat: {every: 1h}}", "write either `check` or `heartbeat`"),
        ("{check: 'tcp://x'}", "names no port"),
        (
            "{check: 'tcp://x:1', max_restarts: 3}",
            "given a single value, allowed: a mapping with count, within",
        ),
        ("{heartbeat: 1h}", "allowed: a mapping with every, cron, grace, zone"),
        ("{check: 'tcp://x:80/health'}", "takes no path: write tcp://host:port"),
        ("{check: 'tcp://x:1', failures: 3 of 5}", "is not a whole number: write 3, or {count: 3, of: 5}"),
        ("{check: 'tcp://x:70000'}", "a number from 1 to 65535"),
        ("{check: 'gopher://x:70'}", "unknown kind of check 'gopher'"),
        ("{check: 'http://u:p@x/'}", "takes no user"),
        ("{check: 'https://x/?token=${TOKEN}'}", "takes no secrets"),
        ("{check: 'tcp://a..b:80'}", "names no host"),
        ("{check: 'http://a..b/'}", "names no host"),
        (f"{{check: 'tcp://{'x' * 64}:80'}}", "names no host"),
        (f"{{check: 'unix:///{'x' * 108}'}}", "names no socket"),
        ("{check: {disk: {path: /, free: 10}}}", "'10' is bytes: write 10%, 10MiB or 10B"),
        ("{check: {memory: 5}}", "'5' is bytes"),
        ("{check: {file: {path: /x, size: 10, max_size: 5}}}", "`max_size` is less than `size`"),
        ("{check: {file: {path: /x, mode: 8888}}}", "is no mode"),
        ("{check: {command: [/usr/bin/true], status: []}}", "must not be empty"),
        ("{check: localhost}", "is no check: write tcp://host:port"),
        ("{check: {process: {}}}", "write `name`, `pidfile` or `match`"),
        ("{check: {port_owner: {port: 80}}}", "write whose it must be"),
        ("{check: {unit: 'a;reboot'}}", "is no unit's name"),
        ("{check: {unit: -foo}}", "is no unit's name"),
        ("{check: {unit: reboot.target}}", "of kind 'target' is not for this"),
        ("{check: {command: 'rm -rf /'}}", "is a shell's line"),
        ("{check: {command: [sh, -c, 'x | y']}}", "write it into a script"),
        ("{check: {url: 'http://x/', certificate: 3d}}", "has no certificate"),
        ("{check: {url: 'http://x/', body: '/(/'}}", "RE2 refuses"),
        ("{check: 'tcp://x:1', restart: 'systemctl restart x'}", "is a shell's line: write a list"),
        ("{check: 'tcp://x:1', restart: /etc/init.d/x}", "is a program: write a list"),
        ("{check: 'tcp://x:1', restart: -foo}", "is no unit's name"),
        ("{check: 'tcp://x:1', restart: 'a;reboot'}", "is no unit's name"),
        ("{check: 'tcp://x:1', restart: reboot.target}", "of kind 'target' is not for this"),
        ("{check: 'tcp://x:1', restart: [systemctl, restart, reboot.target]}", "is not for this"),
        ("{check: 'tcp://x:1', restart: [systemctl, isolate, x]}", "systemctl 'isolate' is not for this"),
        ("{check: 'tcp://x:1', restart: [/sbin/reboot]}", "acts on the whole host"),
        ("{check: 'tcp://x:1', restart: [-foo, x]}", "is no program"),
        ("{check: 'tcp://x:1', restart: ['a;reboot']}", "is no program"),
        ("{check: 'tcp://x:1', depends_on: wbe}", "unknown watchdog entry 'wbe' (did you mean 'web'?)"),
        ("{check: 'tcp://x:1', depends_on: web}", "in a circle: web -> web"),
        ("{check: 'tcp://x:1', failures: {count: 6, of: 5}}", "6 of 5 can't be"),
        ("{check: 'tcp://x:1', active: '8-20'}", "is no date"),
        ("{check: 'tcp://x:1', mute: holidays}", "`holidays` needs a calendar"),
        ("{heartbeat: {cron: '0 2 * *'}}", "is no cron expression"),
        ("{heartbeat: {every: 1h, cron: '0 2 * * *'}}", "write either `every` or `cron`"),
        ("{heartbeat: {every: 1h, zone: UTC}}", "`zone` goes with `cron`"),
        ("{check: 'tcp://x:1', every: 0s}", "must be more than 0"),
        ("{check: {memory: 101%}}", "is no share"),
        ("{check: 'tcp://x:1', to: nobody}", "unknown recipient 'nobody'"),
        ("{check: 'tcp://x:1', evry: 3s}", "unknown key 'evry' (did you mean 'every'?)"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(check: Check, entry: str, words: str) -> None:
    problems = found(check, entry)
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    "url",
    ["redis://:c4nary@db", "postgres://relay:c4nary@db/x", "http://u:c4nary@db:99999/", "dns://u:c4nary@db"],
)
def test_a_password_in_a_url_is_not_shown(check: Check, url: str) -> None:
    (problem,) = found(check, f"{{check: '{url}'}}")
    assert "no user and no password" in problem
    assert "c4nary" not in problem


def test_a_list_whose_only_item_is_refused_is_not_called_empty_too(check: Check) -> None:
    (problem,) = found(check, "{check: {command: [/usr/bin/true], status: 300}}")
    assert "'300' must be at most 255" in problem
    (problem,) = found(check, "{check: ['gopher://x:70']}")
    assert "unknown kind of check 'gopher'" in problem


def test_a_circle_of_dependencies(check: Check) -> None:
    entries = [f"  {one}: {{check: 'tcp://x:1', depends_on: {other}}}\n" for one, other in ("ab", "ba")]
    text = f"{BASE}watchdog:\n{''.join(entries)}"
    assert "entries depend on each other in a circle: a -> b -> a" in errors(check(text))[0]


def test_no_source_takes_the_name_of_relays_own(check: Check) -> None:
    text = BASE.replace("apps:", "watchdog:")
    assert "is the source of relay's own events" in errors(check(text))[0]


def test_remedies_of_the_whole_host(check: Check) -> None:
    assert lines(check(f"{BASE}remedies: {{mode: observe, budget: {{count: 5, within: 10m}}}}\n")) == []


def test_places_and_units() -> None:
    assert place_of("tcp://[::1]:80") == ("::1", 80)
    assert place_of("redis://db") == ("db", 6379)
    assert place_of("ssh://[fe80::1]") == ("fe80::1", 22)
    assert [full_unit(name) for name in ("a", "a.b", "a.socket")] == ["a.service", "a.b.service", "a.socket"]
    assert unit_of(["/bin/systemctl", "--quiet", "restart", "web"]) == "web.service"
    assert unit_of(["sudo", "-n", "systemctl", "restart", "web"]) == "web.service"
    assert unit_of(["systemctl", "restart", "a", "b"]) == ""
    assert unit_of(["/etc/init.d/web", "restart"]) == ""


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("sudo -n reboot", "acts on the whole host"),
        ("env A=b nice -n 5 busybox poweroff", "acts on the whole host"),
        ("timeout 5 bash -ec x", "`bash -c` runs a line of text"),
        ("sudo -u root systemctl reboot", "systemctl 'reboot' is not for this"),
        ("sudo systemctl restart reboot.target", "of kind 'target' is not for this"),
        ("systemctl --force --force reboot", "systemctl 'reboot' is not for this"),
        ("systemctl isolate rescue.target", "systemctl 'isolate' is not for this"),
        ("systemctl start ctrl-alt-del.target", "of kind 'target' is not for this"),
        ("systemctl --job-mode=isolate start web", "more than the unit, or elsewhere"),
        ("systemctl -H other restart web", "more than the unit, or elsewhere"),
        ("systemctl restart relay.service", "is relay itself"),
        ("systemctl restart relay", "is relay itself"),
        ("systemctl restart web@.service", "is a template: name one of its units, as in web@1"),
        ("systemctl restart web*", "is no unit's name"),
        ("./restart.sh", "is relative to no folder"),
        ("../x", "is relative to no folder"),
    ],
)
def test_what_could_do_more_than_restart_a_service_is_refused(words: str, problem: str) -> None:
    assert problem in command_problem(words.split())


@pytest.mark.parametrize("name", ["sessions-api", "initech", "rescue-bot", "dbus-proxy", "halting", "web@1"])
def test_a_name_that_begins_like_one_of_the_hosts_is_a_service_like_any_other(name: str) -> None:
    assert restart_problem(name) == ""


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("{check: 'tcp://x:1', restart: [/does/not/exist, x]}", "the restart would fail"),
        ("{check: {command: [/does/not/exist, x]}}", "the check could say nothing"),
    ],
)
def test_a_program_that_is_not_there_is_a_warning(check: Check, entry: str, text: str) -> None:
    (warning,) = [
        each for each in check(f"{BASE}watchdog:\n  web: {entry}\n").problems if "exist" in str(each)
    ]
    assert (warning.severity, warning.place.line > 1) == ("warning", True)
    assert f"is not there, or may not be run by this user: {text}" in warning.text


@pytest.mark.parametrize("name", ["systemd-reboot", "systemd-logind.service", "dbus", "emergency", "user@0"])
def test_the_hosts_own_units_are_not_restarted(name: str) -> None:
    assert "part of the host itself" in restart_problem(name)


def test_commands_that_are_fine() -> None:
    for words in (
        ["service", "x", "restart"],
        ["/opt/a b"[:6], "--flag"],
        ["docker", "restart", "web"],
        ["bash", "x"],
        ["bash", "-e", "/opt/restart.sh", "--config", "-c"],  # the script's own options
        ["sudo", "-n", "systemctl", "--no-block", "restart", "web"],
    ):
        assert command_problem(words) == ""
