"""Messages in the operators' own words: which template a message gets, and what becomes of one that fails.

A rule's template is looked up when its message is sent: an edit is good for what is waiting too, and a
message whose rule is gone goes out in the built-in form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog
from msgspec import Struct, structs

from relay.backends.base import Backend
from relay.backends.template import Template
from relay.config.schema import Config
from relay.models import Message, Wording
from relay.report import Report

log = structlog.get_logger()

NONE: Final = Template()


class Owned(Struct, frozen=True):
    """One text of a template, and where it stands in the rules."""

    where: str  # "the title of rule 'payments'"
    source: str  # "": there is none


class Templates:
    """Those of the rules as they are now; each backend holds its own."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._rules: Mapping[str, Template] = {}
        self._failed: dict[str, str] = {}  # where -> source of those that failed when last used

    def apply(self, config: Config) -> None:
        """Take the rules of a new configuration."""
        self._rules = {rule.name: rule.template for rule in config.rules if rule.template != NONE}
        owners = [("rule", rule.name, rule.template) for rule in config.rules]
        owners += [("backend", name, settings.template) for name, settings in config.backends.items()]
        there = {each.where for owner in owners for each in (_title(*owner), _body(*owner)) if each.source}
        for where in self._failed.keys() - there:
            self._works(where)

    def worded(self, message: Message, backend: Backend) -> Message:
        """The message as its template words it; in the built-in form where there is none, or it fails."""
        rule, own = self._rules.get(message.rule, NONE), backend.settings.template
        if rule is NONE and own == NONE:
            return message
        name, now = backend.door.name, backend.door.clock.now()
        title = _title("rule", message.rule, rule) if rule.title else _title("backend", name, own)
        body = _body("rule", message.rule, rule) if rule.body else _body("backend", name, own)
        words = (self._written(title, message, now), self._written(body, message, now))
        return structs.replace(message, wording=Wording(title=words[0] or "", body=words[1]))

    def _written(self, owned: Owned, message: Message, now: float) -> str | None:
        """What that text makes of the message; None if there is none, or it fails."""
        if not owned.source:
            return None
        from relay.backends import sandbox  # noqa: PLC0415 - only where there is a template

        try:
            written = sandbox.write(owned.source, message, now)
        except Exception as error:  # noqa: BLE001 - no fault of a template may cost a message
            known = isinstance(error, sandbox.WordingError)
            self._fails(owned, str(error) if known else type(error).__name__)
            return None
        if owned.where in self._failed:
            self._works(owned.where)
        return written

    def _fails(self, owned: Owned, why: str) -> None:
        if self._failed.get(owned.where) == owned.source:
            return
        self._failed[owned.where] = owned.source
        log.warning("template_failed", template=owned.where, error=why)
        text = f"the template of {owned.where} failed: {why}; such messages go out in the built-in form"
        self._report("template", owned.where, text)

    def _works(self, where: str) -> None:
        del self._failed[where]
        log.info("template_works_again", template=where)
        self._report("template", where, f"the template of {where} is no longer failing", cleared=True)


def _title(kind: str, name: str, template: Template) -> Owned:
    return Owned(f"the title of {kind} {name!r}", template.title)


def _body(kind: str, name: str, template: Template) -> Owned:
    return Owned(f"the body of {kind} {name!r}", template.body)
