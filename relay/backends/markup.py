"""A composition as HTML that mail programs and Matrix clients show alike: bold, preformatted, links."""

from __future__ import annotations

from collections.abc import Iterator

from relay.backends.compose import Composition
from relay.backends.dialect import headline, html


def html_of(composition: Composition) -> str:
    """The whole message, all text in it escaped: a tag or link in a log line stays text."""
    return "".join(_blocks(composition))


def _blocks(told: Composition) -> Iterator[str]:
    yield f"<p><strong>{headline(told, html)}</strong></p>"
    if told.body:
        yield f"<pre>{html(told.body)}</pre>"
    if told.facts:
        yield "<p>" + "<br>".join(html(f"{name}: {value}") for name, value in told.facts) + "</p>"
    if told.links:
        links = (f'<a href="{html(link.url)}">{html(link.label)}</a>' for link in told.links)
        yield "<p>" + " · ".join(links) + "</p>"
    if told.footer:
        yield f"<p>{html(told.footer)}</p>"
