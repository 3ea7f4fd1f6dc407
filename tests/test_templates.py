"""Which template words a message, and what becomes of one that fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.backends.compose import compose
from relay.backends.dialect import headline, markdown, text_of
from relay.backends.template import Template
from relay.clock import SystemClock
from relay.config.schema import Config, Rule
from relay.dispatcher import Dispatcher
from relay.errors import RejectedError
from relay.models import AlertState, DeliveryState, Message, Reason
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from relay.reload import prepare
from relay.templates import Templates
from tests.fakes import FakeBackend, Reports, delivery, message

CLOCK = SystemClock()


def config(template: Template) -> Config:
    return Config(rules=(Rule(name="r", template=template),))


def words(message: Message) -> tuple[str, str]:
    told = compose(message, 0.0)
    return headline(told), told.body


class TestWhichOne:
    def test_none_leaves_the_message_as_it_is(self) -> None:
        told = message()
        assert Templates(Reports()).worded(told, FakeBackend("a", CLOCK)) is told

    def test_a_rules_comes_before_a_backends_key_by_key(self) -> None:
        templates = Templates(Reports())
        backend = FakeBackend("a", CLOCK, template=Template(title="backend's", body="its body"))
        assert words(templates.worded(message(), backend)) == ("[ERROR] backend's", "its body")
        templates.apply(config(Template(body="rule's {{ module }}")))
        assert words(templates.worded(message(), backend)) == ("[ERROR] backend's", "rule's pay")
        assert words(templates.worded(message(rule="another"), backend)) == ("[ERROR] backend's", "its body")

    def test_an_empty_title_leaves_the_built_in_one_and_an_empty_body_is_one(self) -> None:
        templates = Templates(Reports())
        templates.apply(config(Template(title="{{ labels.summary }}", body="{{ labels.text }}")))
        assert words(templates.worded(message(), FakeBackend("a", CLOCK))) == ("[ERROR] pay: timeout", "")


class TestOneThatFails:
    BROKEN = Template(title="{{ hosts[2] }}", body="{{ text }} {{ hosts[2] }}")

    def test_leaves_the_built_in_form_and_is_reported_once_until_it_works(self) -> None:
        reports = Reports()
        templates = Templates(reports)
        templates.apply(config(self.BROKEN))
        backend = FakeBackend("a", CLOCK)
        for _ in range(3):
            assert words(templates.worded(message(text="details"), backend)) == (
                "[ERROR] pay: timeout",
                "details",
            )
        title, body = ("template", "the title of rule 'r'"), ("template", "the body of rule 'r'")
        assert reports.told == [(*title, False), (*body, False)]
        worded = templates.worded(message(hosts=("a", "b", "c")), backend)
        assert words(worded) == ("[ERROR] c", "timeout c")
        assert reports.told[2:] == [(*title, True), (*body, True)]

    def test_one_key_that_fails_does_not_cost_the_other(self) -> None:
        templates = Templates(Reports())
        templates.apply(config(Template(title="{{ hosts[2] }}", body="mine")))
        assert words(templates.worded(message(), FakeBackend("a", CLOCK))) == ("[ERROR] pay: timeout", "mine")

    def test_an_edited_one_is_reported_again_and_a_removed_one_is_over(self) -> None:
        reports = Reports()
        templates = Templates(reports)
        for source in ("{{ hosts[2] }}", "{{ hosts[3] }}"):
            templates.apply(config(Template(title=source)))
            templates.worded(message(), FakeBackend("a", CLOCK))
        templates.apply(config(Template()))
        assert [cleared for _, _, cleared in reports.told] == [False, False, True]

    def test_nothing_that_goes_wrong_inside_costs_the_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def bug(*_: object) -> str:
            raise KeyError("a bug of relay's own")

        reports = Reports()
        templates = Templates(reports)
        templates.apply(config(Template(title="{{ title }}")))
        monkeypatch.setattr("relay.backends.sandbox.write", bug)
        assert words(templates.worded(message(), FakeBackend("a", CLOCK)))[0] == "[ERROR] pay: timeout"
        assert len(reports.told) == 1


class TestWhatComesOut:
    def worded(self, template: Template, **fields: object) -> Message:
        templates = Templates(Reports())
        templates.apply(config(template))
        return templates.worded(message(**fields), FakeBackend("a", CLOCK))

    def test_is_text_whatever_the_template_holds(self) -> None:
        told = self.worded(
            Template(title="# {{ title }}\n\x1b[2J", body="[x](http://e) @all"), title="<b>@all"
        )
        text = text_of(compose(told, 0.0), markdown)
        assert text.startswith("\\[ERROR\\] \\# \\<b\\>\\@\u200ball\n")
        assert "\\[x\\]\\(http\\:\\/\\/e\\) \\@\u200ball" in text
        assert "\x1b" not in text

    def test_tag_links_footer_and_other_alerts_stay(self) -> None:
        told = self.worded(
            Template(title="all is fine", body="nothing to see"),
            state=AlertState.RESOLVED,
            reason=Reason.RESOLVED,
            alert=17,
            links=(("ack", "http://relay/a/17"),),
            digest=("[ERROR] db: deadlock #18",),
        )
        text = text_of(compose(told, 0.0))
        assert text.startswith("[RESOLVED] all is fine\nnothing to see\n")
        for part in ("ack: http://relay/a/17", "alert 17", "and 1 more:", "[ERROR] db: deadlock #18"):
            assert part in text


async def test_waiting_messages_take_the_template_of_the_rules_as_they_are_then(tmp_path: Path) -> None:
    """Committed under one template, sent under the next; one whose rule is gone goes out too."""
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    reports, backend = Reports(), FakeBackend("a", CLOCK)
    dispatcher = Dispatcher(store, CLOCK, reports)
    dispatcher.templates.apply(config(Template(title="old {{ title }}")))
    told = {1: message(rule="r"), 2: message(rule="gone")}
    rows = [delivery(number, CLOCK.now(), message=each) for number, each in told.items()]
    await store.commit(Commit(deliveries=rows))
    dispatcher.templates.apply(config(Template(title="new {{ title }}")))
    await dispatcher.apply({"a": backend})
    running = asyncio.create_task(dispatcher.run())
    try:
        async with asyncio.timeout(5):
            while len(backend.sent) < 2:
                await asyncio.sleep(0.002)
    finally:
        await dispatcher.stop(1.0)
        await running
        found = [await store.delivery(number) for number in (1, 2)]
        await store.close()
    assert sorted(words(each)[0] for _, each in backend.sent) == [
        "[ERROR] new timeout",
        "[ERROR] pay: timeout",
    ]
    assert all(row and row[0].state is DeliveryState.DELIVERED for row in found)
    assert all(row and row[0].message.wording is None for row in found)  # never stored


async def test_a_failing_template_costs_no_attempt_and_no_message(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    reports, backend = Reports(), FakeBackend("a", CLOCK)
    backend.answer = lambda told, _: RejectedError("worded") if told.wording and told.wording.title else None
    dispatcher = Dispatcher(store, CLOCK, reports)
    dispatcher.templates.apply(config(Template(title="{{ hosts[9] }}")))
    await store.commit(Commit(deliveries=[delivery(1, CLOCK.now())]))
    await dispatcher.apply({"a": backend})
    running = asyncio.create_task(dispatcher.run())
    async with asyncio.timeout(5):
        while not backend.sent:
            await asyncio.sleep(0.002)
    await dispatcher.stop(1.0)
    await running
    await store.close()
    assert backend.tries == 1
    assert reports.told == [("template", "the title of rule 'r'", False)]


RULES = """\
store: relay.db
sources: {apps: {socket: relay.sock}}
backends:
  terminal: {type: console, template: {title: "{{ rule }}"}}
recipients: {ops: {terminal: ops}}
rules:
  - name: pay
    match: {level: error}
    to: ops
    template: {title: "{{ module }}: {{ title }}", body: BODY}
"""


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("'{{ txt }}'", "10:58: line 1 of the template: unknown variable 'txt' (did you mean 'text'?)"),
        (
            "'{{ text | uper }}'",
            "10:58: line 1 of the template: unknown filter 'uper' (did you mean 'upper'?)",
        ),
        ("'{% if text %}'", "10:58: line 1 of the template: Unexpected end of template."),
        (
            "'{{ hosts[0] }}'",
            "10:58: for an event without hosts and labels: line 1 of the template: list object",
        ),
    ],
)
def test_a_bad_template_is_a_problem_at_its_place(tmp_path: Path, body: str, problem: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("BODY", body))
    path.chmod(0o600)
    prepared = prepare(str(path))
    assert prepared.rules is None
    (found,) = prepared.problems
    assert str(found).partition("rules.yaml:")[2].startswith(problem)


def test_good_ones_are_part_of_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("BODY", "\"{{ text }}\\nhost {{ hosts | join(', ') }}\""))
    path.chmod(0o600)
    prepared = prepare(str(path))
    assert prepared.problems == []
    assert prepared.rules is not None
    config = prepared.rules.config
    assert config.rules[0].template.body == "{{ text }}\nhost {{ hosts | join(', ') }}"
    assert config.backends["terminal"].template == Template(title="{{ rule }}")
