"""A Feishu message as its reader sees it, and whom it mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_AT = re.compile(r"""<at\s+(?:user_)?id\s*=\s*["']?([^"'>\s]+)["']?\s*>.*?</at>""", re.IGNORECASE | re.DOTALL)
_LOOSE = re.compile(r"</?at\b[^>]*>", re.IGNORECASE)
_MARKDOWN = re.compile(r"\*\*.+?\*\*|\[[^\]]*\]\([^)]*\)")


def mentioned(kind: str, body: Any) -> list[str]:
    """Ids after which a phone rings; on purpose, text elements are searched for tags as well."""
    texts = list(_texts(body))
    found = [name for text in texts for name in _AT.findall(text)]
    left = [tag for text in texts for tag in _LOOSE.findall(_AT.sub("", text))]
    nodes = [node["user_id"] for node in _nodes(body) if node.get("tag") == "at"] if kind == "post" else []
    return [*nodes, *found, *left]


def links(body: Any) -> list[tuple[str, str]]:
    """What can be tapped: buttons, links, and what Markdown makes of a card's text."""
    nodes = list(_nodes(body))
    buttons = [(node["text"]["content"], node["url"]) for node in nodes if node.get("tag") == "button"]
    anchors = [(node["text"], node["href"]) for node in nodes if node.get("tag") == "a"]
    marked = [node["content"] for node in nodes if node.get("tag") in {"markdown", "lark_md"}]
    return [*buttons, *anchors, *((text, "markdown") for part in marked for text in _MARKDOWN.findall(part))]


def read(kind: str, body: Any) -> str:
    """All text of it, from top to bottom."""
    match kind:
        case "text":
            text = body["text"]
        case "post":
            (post,) = body.values()
            rows = ("".join(node.get("text", "") for node in row) for row in post["content"])
            text = "\n".join((post["title"], *rows))
        case _:
            text = "\n".join((body["header"]["title"]["content"], *map(_element, body["elements"])))
    return _AT.sub("", text).replace("\u200b", "").strip()


def _element(element: Any) -> str:
    match element["tag"]:
        case "div":
            return str(element["text"]["content"])
        case "markdown":
            return str(element["content"])
        case "note":
            return "\n".join(part["content"] for part in element["elements"])
        case _:
            return ""


def well_formed(kind: str, body: Any) -> bool:
    """Whether Feishu would take it."""
    match kind:
        case "text":
            return isinstance(body.get("text"), str) and bool(body["text"].strip())
        case "post":
            post = next(iter(body.values()), None)
            rows = post.get("content") if isinstance(post, dict) else None
            return isinstance(rows, list) and all(isinstance(node, dict) for row in rows for node in row)
        case "interactive":
            tags = {element.get("tag") for element in body.get("elements", [])}
            return bool(tags) and tags <= {"div", "markdown", "note", "action", "hr"}
        case _:
            return False


def _nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from _nodes(part)


def _texts(value: Any) -> Iterator[str]:
    for node in _nodes(value):
        yield from (part for part in node.values() if isinstance(part, str))
