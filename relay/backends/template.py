"""How operators word messages themselves: the key `template` of a rule or of a backend.

Cheap to import; what a template may do stands in sandbox.py, which is only read where there is one.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

TemplateText = Annotated[str, Meta(extra={"kind": "template"})]  # Jinja2, within sandbox.py's bounds


class Template(Struct, frozen=True, kw_only=True):
    """A message in the operators' own words, in Jinja2; a rule's comes before a backend's, key by key.

    `title` stands for module and title in the headline, `body` for the text and the facts below it; the tag
    (`[ERROR]`), links and the footer stay. What comes out is text like any other: it can't hold markup or
    mention anybody, and it is cut to what the service takes. An empty title leaves the built-in one.

        template:
          title: "{{ module }}: {{ title }}"
          body: |
            {{ text }}
            {% if hosts %}hosts: {{ hosts | join(", ") }}{% endif %}
            since {{ first_seen | time("%d.%m. %H:%M") }}, {{ count }} times

    Variables:

    * `title` (one line, its variable parts masked), `text` (the sample event's own message), `level` (debug,
      info, notice, warning, error, critical), `module`, `rule`, `source`, `origin` (file and offset, or peer)
    * `state` (firing, acked, resolved), `reason` (first, reminder, resolved, closed, operators ...)
    * `count` (events so far), `more` (those since the last message), `alert` (its number), `fingerprint`
    * `first_seen`, `last_seen`, `since` (of the last message), `now`: times, for the filter `time`
    * `late`: seconds that this message is late, for the filter `duration`; 0 if it isn't
    * `hosts`: a list; `labels`: `labels.order` or `labels["trace-id"]`, empty where the event has none
    * `links`: a list, each with `label` and `url`; `digest`: a line for each alert folded into the message
    * `counted`: a list, what the rule counted before it told; `notes`: a list, what else there is to know
      (who has acknowledged it, which silence is over)

    Filters of relay: `time` (as relay shows it, or `time("%H:%M")`), `duration` (`12 min`), `lines` (the
    text's lines, or `lines(3)` the first ones). Of Jinja2: `abs`, `capitalize`, `count`, `default`,
    `dictsort`, `first`, `indent`, `int`, `items`, `join`, `last`, `length`, `lower`, `max`, `min`,
    `replace`, `reverse`, `round`, `sort`, `title`, `trim`, `truncate(LENGTH)`, `unique`, `upper` and
    `urlencode`.
    There are `if`, `for` and `set`, but no calls, macros or other files. A template must work for every
    event: one without hosts and labels too. One that fails nevertheless leaves the built-in form, and the
    operators are told.
    """

    title: TemplateText = ""
    body: TemplateText = ""
