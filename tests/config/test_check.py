"""Each problem has its place and its words. `|` stands where the problem is told."""

from __future__ import annotations

import pytest

from relay.config.schema import Example, Match, Text
from relay.models import Level
from tests.config.conftest import Check
from tests.config.fakes import BASE, FakeSettings, errors, lines

RULE = "recipients: {ops: {im: a}}\nbackends: {im: {type: fake, url: http://im}}\nrules:\n"


def told(check: Check, text: str) -> tuple[list[str], str]:
    """The errors, and the place of the `|`."""
    before, _, after = text.partition("|")
    line = before.count("\n") + 1
    column = len(before.rpartition("\n")[2]) + 1
    return errors(check(before + after)), f"{line}:{column}: "


def sole(check: Check, text: str) -> str:
    """The one error, whose place must be at the `|`."""
    found, place = told(check, text)
    assert len(found) == 1, found
    assert found[0].startswith(place), (found[0], place)
    return found[0].removeprefix(place)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("|recipents: {}\n", "unknown key 'recipents' (did you mean 'recipients'?)"),
        ("retention: {|evnts: 1d}\n", "unknown key 'evnts' (did you mean 'events'?)"),
        ("retention: {|x: 1d}\n", "unknown key 'x' (allowed: events, alerts, deliveries, max_events)"),
        ("|files: [x]\n", "unknown key 'files' "),
        ("sources: |[a]\n", "given a list, allowed: a mapping"),
        ("sources: |a\n", "given a single value, allowed: a mapping"),
        ("sources:|\n", "nothing stands here: give a value, or leave the key out"),
        ("sources: {a: |~}\n", "nothing stands here"),
        ("sources: {a: |[b]}\n", "given a list, allowed: a mapping"),
        ("rules: |{name: x}\n", "given a mapping, allowed: a list"),
        ("rules: |x\n", "given a single value, allowed: a list"),
        ("rules: [|x]\n", "given a single value, allowed: a mapping"),
        ("recipients: {|a b: {}}\n", "'a b' is no name: "),
        (
            "recipients: {|no: {im: x}}\nbackends: {im: {type: fake, url: http://x}}\n",
            "'no' without quotes is false",
        ),
        ("sources: {a: |{label: x}}\n", "one of the keys 'socket', 'tail', 'journal' is missing"),
        ("sources: {a: |{tail: x, socket: y}}\n", "the keys 'socket' and 'tail' exclude each other"),
        ("sources: {a: {tail: |[]}}\n", "must not be empty"),
        ("sources: {a: {tail: |{a: b}}}\n", "given a mapping, allowed: a list"),
        ("sources: {a: {tail: x, format: |pyton}}\n", "unknown word 'pyton' (did you mean 'python'?)"),
        ("sources: {a: {tail: x, level: |eror}}\n", "unknown level 'eror' (did you mean 'error'?)"),
        ("sources: {a: {tail: x, multiline: |maybe}}\n", "'maybe' is neither true nor false"),
        ("sources: {a: {tail: x, poll: |0s}}\n", "'0s' must be more than 0"),
        ("sources: {a: {tail: x, max_line: |10B}}\n", "'10B' must be at least 1024"),
        ("sources: {a: {tail: x, max_line: |65MiB}}\n", "'65MiB' must be at most 67108864"),
        ("sources: {a: {tail: x, pattern: |x}}\n", "`pattern` needs `format: regex`"),
        ("sources: {a: |{tail: x, format: regex}}\n", "`format: regex` needs a `pattern`"),
        (
            "sources: {a: {tail: x, format: regex, pattern: |(?P<msg>x)}}\n",
            "`format: regex` needs a `pattern`",
        ),
        ("sources: {a: {socket: x, max_connections: |0}}\n", "'0' must be at least 1"),
        ("sources: {a: {socket: x, max_connections: |ten}}\n", "'ten' is not a whole number"),
        ("sources: {a: {socket: x, labels: {host: |off}}}\n", "'off' without quotes is false in YAML 1.1"),
        ("sources: {a: {socket: x, labels: {host: |[x]}}}\n", "given a list, allowed: a single value"),
        ("sources: {a: {journal: {units: |-x}}}\n", "'-x' is no unit: "),
        ("sources: {a: {journal: {units: [a, |'b;c']}}}\n", "'b;c' is no unit: "),
        ("sources: {a: {journal: {|unit: a}}}\n", "unknown key 'unit' (did you mean 'units'?)"),
        ("sources: {a: {journal: {level: |loud}}}\n", "unknown level 'loud'"),
        ("sources: {a: {journal: |yes}}\n", "given a single value, allowed: a mapping"),
        ("sources: {a: {journal: {}, format: regex, pattern: |x}}\n", "`format: regex` needs"),
        ("ping: {url: |ftp://x}\n", "must be a whole URL"),
        ("ping: {url: http://x/y, every: |1s}\n", "'1s' must be at least 5 s"),
        ("drill: |often\n", "unknown word 'often' (allowed: daily, weekly, monthly)"),
        ("backends: {a: |{url: x}}\n", "the key 'type' is missing (allowed: fake)"),
        ("backends: {a: {type: |fakes}}\n", "unknown backend type 'fakes' (did you mean 'fake'?)"),
        ("backends: {a: {type: |fke}}\n", "unknown backend type 'fke' (did you mean 'fake'?)"),
        ("backends: {a: |{type: fake}}\n", "the key 'url' is missing"),
        ("backends: {a: {type: fake, url: http://x, timeout: |0s}}\n", "must be more than 0"),
        ("backends: {a: {type: fake, url: http://x, concurrency: |-1}}\n", "must not be negative"),
        ("backends: {a: {type: fake, url: http://x, rate: |20/x}}\n", "'20/x' is not a rate: "),
        (
            "backends: {a: {type: fake, url: http://x, shape: |oval}}\n",
            "unknown word 'oval' (allowed: round, square)",
        ),
        ("backends: {a: {type: fake, url: http://x, from: |me}}\n", "`from` needs loud"),
        ("backends: {a: {type: fake, url: http://x, factor: |-1}}\n", "'-1' must be at least 0"),
    ],
)
def test_one_problem_at_its_place(check: Check, text: str, problem: str) -> None:
    assert sole(check, text).startswith(problem)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("|{to: ops}", "the key 'name' is missing"),
        ("|{name: a}", "the key 'to' is missing"),
        ("{name: a, to: |opps}", "unknown recipient 'opps' (did you mean 'ops'?)"),
        ("{name: a, to: [ops, |x]}", "unknown recipient 'x' (allowed: ops)"),
        ("{name: |'', to: ops}", "an empty text"),
        ('{name: |"a\\nb", to: ops}', "'a\\nb' must be one line"),
        ("{name: a, to: ops, repeat: |10}", "'10' is not a duration: write 30s"),
        ("{name: a, to: ops, repeat: [10m, |0s]}", "'0s' must be more than 0"),
        ("{name: a, to: ops, resolve_after: |11y}", "'11y' is not a duration"),
        ("{name: a, to: ops, resolve_after: |9999w}", "'9999w' is longer than ten years"),
        ("{name: a, to: ops, fingerprint: |mesage}", "unknown word 'mesage' (did you mean 'message'?)"),
        ("{name: a, to: ops, fingerprint: |[]}", "must not be empty"),
        (
            "{name: a, to: ops, fingerprint: [host, |{defalt}]}",
            "unknown word '{defalt}' (allowed: {default}, and",
        ),
        ("{name: a, to: ops, fingerprint: [host, |{a: b}]}", "given a mapping, allowed: a single value"),
        ("{name: a, to: ops, match: |[x]}", "given a list, allowed: a mapping"),
        ("{name: a, to: ops, match: {|modul: x}}", "unknown key 'modul' (did you mean 'module'?)"),
        ("{name: a, to: ops, match: {module: |on}}", "'on' without quotes is true in YAML 1.1"),
        ("{name: a, to: ops, match: {message: |''}}", "an empty text matches everything"),
        ("{name: a, to: ops, match: {message: |//}}", "an empty regular expression matches everything"),
        ("{name: a, to: ops, match: {message: [a, '|/(/']}}", "RE2 refuses the regular expression"),
        ("{name: a, to: ops, except: {labels: {host: |/x/q}}}", "unknown flag 'q'"),
        ("{name: a, to: ops, examples: [|[a]]}", "given a list, allowed: a mapping"),
        ("{name: a, to: ops, examples: [|{module: a}]}", "the key 'message' is missing"),
        ("{name: a, to: ops, examples: [{message: a, level: |hi}]}", "unknown level 'hi'"),
        ("{name: a, to: ops, |cont1nue: true}", "unknown key 'cont1nue' (did you mean 'continue'?)"),
    ],
)
def test_one_problem_of_a_rule(check: Check, rule: str, problem: str) -> None:
    text = f"{RULE}  - {rule}\n".replace("'|/(/'", "|'/(/'")
    assert sole(check, text).startswith(problem)


def test_every_problem_at_once_sorted_by_line(check: Check) -> None:
    text = """\
rules:
  - name: r
    to: wangg
    repeet: [10m]
    match: {level: bad}
    to: x
recipients:
  wang: {imm: a}
backends:
  im: {type: fake, url: ftp://x, timeout: soon}
stroe: x
"""
    assert errors(check(text)) == [
        "3:9: unknown recipient 'wangg' (did you mean 'wang'?)",
        "4:5: unknown key 'repeet' (did you mean 'repeat'?)",
        "5:20: unknown level 'bad' (allowed: debug, info, notice, warning, error, critical)",
        "6:5: duplicate key 'to': the first is at line 3",
        "8:10: unknown backend 'imm' (did you mean 'im'?)",
        "10:43: 'soon' is not a duration: write 30s, 10m, 2h, 1d or 1w",
        "11:1: unknown key 'stroe' (did you mean 'store'?)",
    ]


def test_a_misspelled_key_tells_a_source_too(check: Check) -> None:
    assert errors(check("sources: {a: {tial: x, formt: java}}\n")) == [
        "1:14: the key 'tail' is missing",
        "1:15: unknown key 'tial' (did you mean 'tail'?)",
        "1:24: unknown key 'formt' (did you mean 'format'?)",
    ]


def test_conditions(check: Check) -> None:
    match = """{name: a, to: ops, match: {
      source: app*, module: [pay.*, shop, /x.y/], level: WARN, message: [timed out, /dead|lock/is, pay.*],
      labels: {host: [web?, db1], path: /srv}}}"""
    config = check(f"{RULE}  - {match}\n").usable()
    assert config.rules[0].match == Match(
        source=(Text("glob", "app*"),),
        module=(Text("glob", "pay.*"), Text("exact", "shop"), Text("regex", "x.y")),
        level=Level.WARNING,
        message=(
            Text("part", "timed out"),
            Text("regex", "(?s)dead|lock", ignore_case=True),
            Text("part", "pay.*"),
        ),
        labels={"host": (Text("glob", "web?"), Text("exact", "db1")), "path": (Text("exact", "/srv"),)},
    )


def test_examples_are_lines_or_fields(check: Check) -> None:
    text = (
        f"{RULE}  - {{name: a, to: ops, examples: [2026-01-01 x, {{message: m, level: error, host: w}}]}}\n"
    )
    line, event = check(text).usable().rules[0].examples
    assert (line.line, line.place.line, line.place.column) == ("2026-01-01 x", 4, 35)
    assert event == Example(event={"message": "m", "level": "error", "host": "w"}, place=event.place)


def test_fingerprints(check: Check) -> None:
    for written, read in [
        ("event", "event"),
        ("[module, host]", ("module", "host")),
        ("[{default}, host]", ("{default}", "host")),
        ("['{default}']", ("{default}",)),
    ]:
        rule = check(f"{RULE}  - {{name: a, to: ops, fingerprint: {written}}}\n").usable().rules[0]
        assert rule.fingerprint == read


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        (
            "match: {message: /usr/local/bin}",
            "4:41: warning: taken as plain text: a regular expression stands between",
        ),
        ("match: {source: shp}", "4:40: warning: no source is called 'shp' (did you mean 'shop'?)"),
        ("match: {message: '${TOKEN}'}", "4:41: warning: taken as plain text: references work under"),
    ],
)
def test_warnings_do_not_refuse(check: Check, rule: str, warning: str) -> None:
    loaded = check(f"{RULE}  - {{name: a, to: ops, {rule}}}\nsources: {{shop: {{tail: x}}}}\n")
    assert [line.startswith(warning) for line in lines(loaded)] == [True], lines(loaded)
    assert loaded.config is not None


def test_a_problem_seen_through_two_aliases_counts_once(check: Check) -> None:
    text = RULE + "  - {name: a, to: ops, match: &m {levl: x}}\n  - {name: b, to: ops, match: *m}\n"
    assert errors(check(text)) == ["4:35: unknown key 'levl' (did you mean 'level'?)"]


def test_an_enough_of_errors_ends_the_search(check: Check) -> None:
    found = errors(check("".join(f"key{number}: x\n" for number in range(5000))))
    assert len(found) == 301
    assert found[-1].startswith("300:1: unknown key 'key299' (allowed: store, ")
    assert "300:1: and more: 300 are shown" in found


def test_many_warnings_do_not_refuse(check: Check) -> None:
    rules = "".join(f"  - {{name: r{n}, to: ops, match: {{source: shp}}}}\n" for n in range(400))
    loaded = check(f"{RULE}{rules}sources: {{shop: {{tail: x}}}}\n")
    assert len(loaded.problems) == 300
    assert len(loaded.usable().rules) == 400


def test_nothing_to_complain_about(check: Check) -> None:
    assert check(BASE).problems == []


def test_a_plug_in_that_fails_to_judge_its_settings_is_a_problem(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: FakeSettings) -> list[tuple[str, str]]:
        raise IndexError(self.url)

    monkeypatch.setattr(FakeSettings, "problems", fails)
    found = errors(check(BASE))
    assert len(found) == 1
    assert found[0].startswith("2:16: ")
    assert "IndexError in their check" in found[0]
    assert "http://im" not in found[0]
