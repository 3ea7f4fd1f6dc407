from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from msgspec import field

from relay.backends.base import Registered, Settings
from relay.config.load import load
from relay.config.problems import ConfigError
from relay.config.schema import Http, Rota, SocketSource, TailSource, Text, Threshold
from relay.models import Level
from relay.values import Secret
from tests.config.conftest import Check
from tests.config.fakes import BASE, ENVIRON, TYPES, FakeBackend, FakeSettings, Shape, errors, lines

EXAMPLE = (Path(__file__).parent / "example.yaml").read_text()


class Rtx(Settings, frozen=True, kw_only=True, tag="rtx"):
    url: str


class Robot(Settings, frozen=True, kw_only=True, tag="wecom_robot"):
    key: Secret


class Mail(Settings, frozen=True, kw_only=True, tag="smtp"):
    url: str
    from_: str = field(name="from")


PRODUCT = {
    "rtx": Registered(Rtx, FakeBackend),
    "wecom_robot": Registered(Robot, FakeBackend),
    "smtp": Registered(Mail, FakeBackend),
}
SECRETS = {"WECOM_ROBOT_KEY": "sesame-open-99"}


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(textwrap.dedent(text))
    return tmp_path


def test_the_example_of_the_product_loads(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(EXAMPLE)
    loaded = load(tmp_path / "rules.yaml", backend_types=PRODUCT, environ=SECRETS)
    config = loaded.usable()
    assert errors(loaded) == []
    assert config.store == "/var/lib/relay/relay.db"
    assert config.control == "/run/relay/control.sock"
    assert config.sources["apps"] == SocketSource(socket="/run/relay/relay.sock")
    assert config.sources["billing"] == TailSource(
        tail=("/srv/billing/out.log", "/srv/billing/jobs/*.log"), format="java", encoding="gbk"
    )
    assert config.sources["gateway"] == TailSource(
        tail=("/var/log/nginx/error.log",), format="nginx", module="gateway"
    )
    assert config.http == Http(listen="127.0.0.1:8787")
    assert config.backends["rtx"] == Rtx(url="http://10.0.0.8:8012")
    assert config.recipients == {
        "wang": {"rtx": "wangwei", "mail": "wang@example.com"},
        "li": {"rtx": "lina", "mail": "li@example.com"},
        "ops": {"ops-robot": "@all"},
        "payments": ("wang", "li"),
        "oncall": Rota(rota=("wang", "li"), every=7 * 86400.0, from_="2026-01-05T09:00"),
    }
    payments, database, critical = config.rules
    assert payments.match.module == (Text("glob", "pay.*"),)
    assert payments.match.level is Level.ERROR
    assert payments.except_ is not None
    assert payments.except_.message == (Text("regex", "card declined"),)
    assert (payments.to, payments.repeat, payments.resolve_after) == (("payments",), (600, 1800, 7200), 900)
    assert payments.examples[0].line == "2026-03-01 10:00:00,123 ERROR pay.refund: timeout after 3000 ms"
    assert database.match.message == (Text("regex", "deadlock|too many connections", ignore_case=True),)
    assert database.to == ("ops", "oncall")
    assert database.threshold == Threshold(count=3, within=60.0)
    assert (critical.name, critical.to) == ("anything critical", ("oncall",))


def test_each_key_of_the_example_is_used(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(EXAMPLE)
    assert lines(load(tmp_path / "rules.yaml", backend_types=PRODUCT, environ=SECRETS)) == []


def test_defaults(check: Check) -> None:
    config = check(BASE).usable()
    assert config.store == "/var/lib/relay/relay.db"
    assert config.operators == ("ops",)
    assert config.rules[0].repeat == (3600.0, 14400.0, 86400.0)
    assert config.retention.events == 7 * 86400.0
    assert config.backends["im"] == FakeSettings(url="http://im")
    assert config.files[0].endswith("/rules.yaml")


@pytest.mark.parametrize(
    ("recipients", "rules", "operators"),
    [
        ("{operators: {im: a}, ops: {im: b}}", "[{name: r, to: ops}]", ("operators",)),
        ("{ops: {im: b}, x: {im: c}}", "[{name: r, to: x}]", ("ops",)),
        ("{x: {im: b}, y: {im: c}}", "[{name: q, to: x}, {name: r, to: y}, {name: s, to: []}]", ("y",)),
    ],
)
def test_operators_where_none_are_named(
    check: Check, recipients: str, rules: str, operators: tuple[str, ...]
) -> None:
    text = f"backends: {{im: {{type: fake, url: http://im}}}}\nrecipients: {recipients}\nrules: {rules}\n"
    assert check(text).usable().operators == operators


def test_nobody_to_tell_is_a_warning(check: Check) -> None:
    assert lines(check("store: x.db\n")) == [
        "1:1: warning: no `operators`: nobody will be told of relay's own troubles",
        "1:1: warning: no `rules`: nobody will be told of anything",
        "1:1: warning: no `sources`: nobody will be told of anything",
    ]


def test_control_stands_beside_the_first_socket_else_beside_the_store(check: Check, tmp_path: Path) -> None:
    assert check(BASE).usable().control == "/run/relay/control.sock"
    assert check("store: var/relay.db").usable().control == str(tmp_path / "var/control.sock")
    assert check("control: c.sock").usable().control == str(tmp_path / "c.sock")


def test_relative_paths_start_at_the_file(check: Check, tmp_path: Path) -> None:
    text = "store: relay.db\nsources: {a: {tail: [x/*.log, ../y.log], exclude: ['*.gz', old/*]}}\n"
    config = check(text).usable()
    assert config.store == str(tmp_path / "relay.db")
    assert config.sources["a"] == TailSource(
        tail=(str(tmp_path / "x/*.log"), str(tmp_path.parent / "y.log")),
        exclude=("/**/*.gz", str(tmp_path / "old/*")),
    )


def test_a_postgresql_store_is_refused_for_now(check: Check) -> None:
    found = errors(check("store: postgresql://relay:${TOKEN}@db/relay\n"))
    assert found == ["1:8: what 'postgresql://relay:${TOKEN}@db/relay' stands for is not allowed here"]
    assert errors(check("store: postgresql://relay@db/relay\n")) == [
        "1:8: a PostgreSQL store is not in this version yet: give a path"
    ]


def test_a_folder_is_merged_by_name(tmp_path: Path) -> None:
    folder(
        tmp_path,
        b_rules="rules: [{name: second, to: ops}]\nsources: {two: {tail: t.log}}\n",
        a_base=BASE,
        c_more="recipients: {dev: {im: d}}\nrules: [{name: third, to: dev}]\n",
    )
    (tmp_path / "notes.txt").write_text("{")
    (tmp_path / ".a_base.yaml.swp.yaml").write_text("{")
    config = load(tmp_path, backend_types=TYPES, environ=ENVIRON).usable()
    assert [rule.name for rule in config.rules] == ["all", "second", "third"]
    assert set(config.sources) == {"apps", "two"}
    assert set(config.recipients) == {"ops", "dev"}
    assert [Path(file).name for file in config.files] == ["a_base.yaml", "b_rules.yaml", "c_more.yaml"]


def test_the_same_name_in_two_files_names_both_places(tmp_path: Path) -> None:
    folder(tmp_path, a=BASE + "store: x\n", b="recipients: {ops: {im: d}}\nstore: y\n")
    loaded = load(tmp_path, backend_types=TYPES, environ=ENVIRON)
    assert [str(problem) for problem in loaded.problems] == [
        f"{tmp_path}/b.yaml:1:14: duplicate key 'ops': the first is at {tmp_path}/a.yaml:3:14",
        f"{tmp_path}/b.yaml:2:1: 'store' is given twice: the first is at {tmp_path}/a.yaml:5:8",
    ]


def test_one_broken_file_refuses_the_folder_without_guessing_what_it_held(tmp_path: Path) -> None:
    folder(tmp_path, a="rules: [{name: r, to: wang, repeet: x}]\n", b="recipients: {wang: \n")
    loaded = load(tmp_path, backend_types=TYPES, environ=ENVIRON)
    assert loaded.config is None
    assert [str(problem)[len(str(tmp_path)) + 1 :] for problem in loaded.problems] == [
        "a.yaml:1:29: unknown key 'repeet' (did you mean 'repeat'?)",
        "b.yaml:2:1: not YAML: did not find expected node content",
    ]


def test_an_empty_file_of_a_folder_is_refused_for_an_editor_may_be_saving_it(tmp_path: Path) -> None:
    folder(tmp_path, a=BASE, b="")
    loaded = load(tmp_path, backend_types=TYPES, environ=ENVIRON)
    assert [problem.text for problem in loaded.problems] == ["the file is empty"]
    assert loaded.config is None


def test_two_rules_of_one_name_and_two_sources_on_one_socket(check: Check) -> None:
    text = """\
        sources:
          a: {socket: x.sock}
          b: {socket: ./x.sock}
          c: {socket: control.sock}
        rules:
          - {name: r, to: []}
          - {name: r, to: []}
        """
    found = errors(check(textwrap.dedent(text)))
    assert [line.partition(" the first")[0].partition(": '/")[0] for line in found] == [
        "3:3: the same socket as source 'a'",
        "4:3: the same socket as the control socket",
        "7:5: a second rule 'r':",
    ]


def test_all_is_refused_by_one_error(check: Check) -> None:
    loaded = check("rules: [{name: r}]\n")
    assert loaded.config is None
    with pytest.raises(ConfigError, match="the key 'to' is missing") as raised:
        loaded.usable()
    assert raised.value.problems == loaded.problems


def test_settings_are_read_as_the_types_say(check: Check) -> None:
    text = """\
        backends:
          im:
            type: fake
            url: http://${HOST}/x
            key: a ${TOKEN}
            keys: one
            headers: {X-Price: "$${5}"}
            form: rich
            shape: square
            loud: yes
            factor: 2.5
            wait: 1m30s
            most: 1KiB
            from: "012"
            rate: [20/1m, 5/s]
        """
    assert check(textwrap.dedent(text)).usable().backends["im"] == FakeSettings(
        url="http://im.example.com/x",
        key=Secret("a sesame-open-99"),
        keys=(Secret("one"),),
        headers={"X-Price": "${5}"},
        form="rich",
        shape=Shape.SQUARE,
        loud=True,
        factor=2.5,
        wait=90.0,
        most=1024,
        from_="012",
        rate=("20/1m", "5/s"),
    )
