"""What a backend would send, for people to read: decoded, its secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from relay.cli.common import printable

if TYPE_CHECKING:
    from relay.backends.base import Settings
    from relay.backends.rehearsal import Request

_SECRET_HEADERS: Final = ("auth", "token", "key", "secret", "sign")


def masked(request: Request, settings: Settings) -> dict[str, Any]:
    """The request as data, with the settings' secrets and all credentials in headers masked."""
    from relay.backends.mask import Mask  # noqa: PLC0415 - with the rest

    mask = Mask.of(settings)
    headers = {
        name: "***" if any(word in name.lower() for word in _SECRET_HEADERS) else mask(value)
        for name, value in request.headers.items()
    }
    body = mask(request.body.decode(errors="replace"))
    return {
        "method": request.method,
        "url": mask(request.url),
        "headers": headers,
        "body": body,
        "charset": request.charset,
    }


def text(shown: dict[str, Any]) -> str:
    """One backend's message, as lines that can do nothing to a terminal."""
    who = f" -> {shown['recipient']} ({shown['to']})" if shown["recipient"] else ""
    lines = [f"{shown['backend']} ({shown['type']}){who}, rule {shown['rule']}"]
    if "error" in shown:
        lines.append(f"  PROBLEM: {shown['error']}")
    if request := shown.get("request"):
        lines.append(f"{request['method']} {request['url'].partition('?')[0]}")
        lines += _lines(_read(request), 1)
    return "\n".join(map(printable, lines))


def _read(request: dict[str, Any]) -> Any:
    """The body decoded: JSON, a form (in a GET's URL too), a mail's head and text, or as it is."""
    body, charset = request["body"], request["charset"]
    if request["method"] == "SMTP":
        return _mail(body)
    try:
        return json.loads(body)
    except ValueError:
        pass
    form = body or request["url"].partition("?")[2]
    fields = parse_qsl(form, keep_blank_values=True, encoding=charset, errors="replace")
    return dict(fields) if "=" in form.partition("&")[0] and "\n" not in form else body


def _mail(content: str) -> dict[str, str]:
    from email import message_from_string  # noqa: PLC0415 - for mails only
    from email.policy import default  # noqa: PLC0415

    letter = message_from_string(content, policy=default)
    text = letter.get_body(("plain",))
    head = {name: letter[name] for name in ("From", "To", "Subject")}
    return {**head, "text": str(text.get_content()) if text is not None else ""}


def _lines(value: Any, level: int) -> Iterator[str]:
    """Data as indented lines, texts of several lines as they would be read."""
    indent = "  " * level
    match value:
        case dict():
            for name, part in value.items():
                yield from _entry(f"{indent}{name}:", _unpacked(part), level)
        case list():
            for part in value:
                yield from _entry(f"{indent}-", part, level)
        case _:
            yield from (f"{indent}{line}" for line in str(value).splitlines())


def _entry(head: str, value: Any, level: int) -> Iterator[str]:
    nested = isinstance(value, dict | list) and value
    if nested or (isinstance(value, str) and "\n" in value):
        yield head
        yield from _lines(value, level + 1)
    else:
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{head} {shown}"


def _unpacked(value: Any) -> Any:
    """JSON within a text, as Feishu and RongCloud want their content."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
