"""Templates: what they may do, how they are refused, and that none can stall or swell."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.backends import sandbox
from relay.backends.sandbox import MOST_OUTPUT, WordingError, problem, write
from relay.backends.template import Template
from relay.backends.template_filters import FILTERS
from tests.backends.messages import NOW, message, reminder


def words(source: str, **fields: object) -> str:
    return write(source, message(**fields), NOW)


def test_what_a_rule_counted_and_what_else_there_is_to_know_are_lists() -> None:
    source = "{{ counted | join(', ') }} ({{ notes | join(', ') }})"
    assert words(source) == " ()"
    assert words(source, counted=("3 in 42 s",), notes=("escalated",)) == "3 in 42 s (escalated)"


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ module }}: {{ title }}", "pay.refund: timeout after <num> ms"),
        ("{{ text }}\nhost {{ hosts | join(', ') }}", "timeout after 3000 ms\nhost web1"),
        ("{{ level | upper }} {{ state }} {{ reason }} {{ rule }}", "ERROR firing first payments"),
        ("{{ count }} {{ more }} {{ alert }} {{ source }}", "1 0 17 shop"),
        ("{{ labels.order }} {{ labels['order'] }}", "o-4711 o-4711"),
        ("({{ labels.nope }}) {{ labels.nope | default('-') }}", "() -"),
        ("{% if labels.nope %}yes{% else %}no{% endif %}", "no"),
        ("{% for k, v in labels | dictsort %}{{ k }}={{ v }};{% endfor %}", "host=web1;order=o-4711;"),
        ("{% for h in hosts %}{{ loop.index }}/{{ loop.length }}{% endfor %}", "1/1"),
        ("{{ hosts | first | default('?') }}{{ digest | first | default('?') }}", "web1?"),
        ("{{ (last_seen - first_seen) | duration }}", "0 s"),
        ("{{ text[:7] }}{{ text | truncate(8) }}", "timeouttimeout…"),
        ("{% set who = source ~ '/' ~ module %}{{ who }}", "shop/pay.refund"),
        ("{{ 'big' if count > 1 else 'one' }}{{ count + 1 }}", "one2"),
        ("{{ title | replace('<num>', 'n') | capitalize }}", "Timeout after n ms"),
        ("{{ 'bad' if level in ['error', 'critical'] }}", "bad"),
        ("{{ 'a\nb' | indent(2) }}|{{ ' x ' | trim }}", "a\n  b|x"),
        ("{{ 'a b/c' | urlencode }} {{ '12' | int + 1 }} {{ 2.6 | round }}", "a%20b%2Fc 13 3"),
    ],
)
def test_what_templates_are_for(source: str, written: str) -> None:
    assert problem(source) == ""
    assert words(source) == written


def test_times_are_shown_as_relay_does_or_in_a_form() -> None:
    local = time.localtime(NOW - 5)
    assert words("{{ last_seen | time }}") == time.strftime("%H:%M:%S", local)
    assert words("{{ last_seen | time('%d.%m.%Y %-H:%M') }}") == time.strftime("%d.%m.%Y %-H:%M", local)
    assert words("{{ last_seen | time }}", last_seen=1e18) == "at 1e+18 s"


def test_a_block_leaves_no_empty_line() -> None:
    source = "{{ text }}\n{% for host in hosts %}\nhost {{ host }}\n{% endfor %}\nend"
    assert write(source, reminder(), NOW).split("\n")[1:] == ["host web1", "host web2", "host web3", "end"]


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        ("{{ text", "line 1 of the template: unexpected end of template"),
        ("a\nb {{ text | shot }}", "line 2 of the template: unknown filter 'shot' (did you mean 'sort'?)"),
        ("\n\n{{ titel }}", "line 3 of the template: unknown variable 'titel' (did you mean 'title'?)"),
        ("{% if x is defined %}{% endif %}", "unknown variable 'x'"),
        ("{% if text is defind %}{% endif %}", "unknown test 'defind' (did you mean 'defined'?)"),
        ("{{ loop.index }}", "unknown variable 'loop'"),
        ("{{ self }}", "`self` has no place"),
        ("{% for x in range(10) %}{% endfor %}", "nothing can be called in a template: use filters"),
        ("{{ text.upper() }}", "nothing can be called"),
        ("{{ ''.__class__.__mro__ }}", "'str object' has no attribute '__class__'"),
        ("{{ text | attr('__class__') }}", "unknown filter 'attr'"),
        ("{% include 'x' %}", "`include` has no place in a message's template"),
        ("{% import 'x' as y %}", "`import` has no place"),
        ("{% extends 'x' %}", "`extends` has no place"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "`macro` has no place"),
        ("{% for a in hosts recursive %}{% endfor %}", "no loop is recursive here"),
        ("{{ text * 2 }}", "`*` takes numbers only"),
        ("{{ labels }}", "labels can't be shown as text: loop over it"),
        ("{{ hosts }}", "a list can't be shown as text"),
        ("{% for letter in text %}{% endfor %}", "a text is not a list"),
        (
            "{{ hosts[0] }}",
            "for an event without hosts and labels: line 1 of the template: list object has no",
        ),
        (
            "{{ 1 // more }}",
            "for an event without hosts and labels: line 1 of the template: ZeroDivisionError",
        ),
        ("{{ 1" + " + 1" * 100 + " }}", "nested too deeply"),
        ("{{ " + "(" * 1500 + "1" + ")" * 1500 + " }}", "not a template (RecursionError)"),
        ("x" * 5000, "a template is at most 4,096 characters long"),
        ("{{ text | join(*hosts) }}", "no * or ** here"),
        ("{{ [hosts, hosts] | join }}", "a list in a template holds plain values only"),
    ],
)
def test_what_is_refused_and_how(source: str, refusal: str) -> None:
    assert refusal in problem(source)


def nested(loops: int, inside: str) -> str:
    """Loops over labels within loops over labels."""
    begin = "".join(f"{{% for v{n} in labels %}}" for n in range(loops))
    return begin + inside + "{% endfor %}" * loops


NASTY = [
    "{{ 'a' * 10**9 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ 9999999999 * 9999999999 * 9999999999 * 9999999999 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{% for i in range(10**9) %}x{% endfor %}",
    "{{ '%999999999d' % 1 }}",
    "{{ '{:999999999}'.format(1) }}",
    "{{ 'x' | indent(999999999) }}",
    "{{ last_seen | time('%999999999d') }}",
    "{{ text | replace('', text) }}",
    "{{ text | replace('t', text) | replace('t', text) | replace('t', text) | replace('t', text) }}",
    "{{ text | lines | join(text) ~ text | replace('a', text) | replace('a', text) }}",
    "{% set a = text %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    nested(6, ""),
    nested(6, "x"),
    nested(3, "{% set a = text ~ text %}"),
    nested(2, "{{ text | upper | lower | upper | lower | trim | replace('t', 'T') }}"),
    nested(2, "{% if text == title or text == rule or text in module %}{% endif %}" * 20),
    nested(1, "x" * 3000),
    "{{ 'x' | round(999999999) }}",
    "{{ count | round(-999999999) }}",
    "{{ 1e308 * 10 }}",
    "{{ lipsum(n=100000) }}",
    "{{ cycler }}{{ namespace }}{{ dict }}{{ joiner }}",
    "{{ '9' * 4000 | int }}",
]


@pytest.mark.parametrize("source", NASTY)
def test_nothing_nasty_takes_long_or_grows(source: str) -> None:
    told = message(labels={f"label{n}": "v" * 100 for n in range(200)}, text="tea time " * 450)
    began = time.process_time()
    try:
        written = write(source, told, NOW)
    except WordingError as error:
        written = str(error)
    assert time.process_time() - began < 1.0  # a tenth of it as a rule; this machine may be busy
    assert len(written) <= MOST_OUTPUT


PIECES = ["{{", "}}", "{%", "%}", "text", "|", "for", "if", "in", "endfor", "join", "(", ")", ".", "'"]


@given(st.text(max_size=200) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_is_a_template_or_refused_in_words(source: str) -> None:
    with contextlib.suppress(WordingError):
        write(source, message(), NOW)


@given(st.text(), st.dictionaries(st.text(), st.text()), st.floats(), st.integers())
def test_any_message_can_be_worded(text: str, labels: dict[str, str], at: float, count: int) -> None:
    source = (
        "{{ title }}{{ text | lines | first | default('-') }}"
        "{% for k, v in labels | dictsort %}{{ k }}{{ v }}{% endfor %}"
        "{{ first_seen | time('%H:%M') }}{{ last_seen | time }}{{ count }}{{ labels.x | upper }}"
    )
    write(source, message(text=text, labels=labels, first_seen=at, last_seen=at, count=count), NOW)


def test_an_error_names_the_line_in_words_without_the_values() -> None:
    with pytest.raises(WordingError, match=r"^line 2 of the template: list object has no element 7$"):
        write("{{ text }}\n{{ hosts[7] }}", message(text="secret text"), NOW)


def test_relay_without_templates_does_not_import_jinja() -> None:
    code = "import sys, relay.app, relay.reload; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_list_of_variables_and_filters_in_the_docs_is_whole() -> None:
    page = Template.__doc__ or ""
    assert [name for name in sandbox._VARIABLES if f"`{name}`" not in page] == []
    shown = set(FILTERS) - {"d", "each"}
    assert [name for name in shown if f"`{name}`" not in page and f"`{name}(" not in page] == []
