"""Rigs of mail and Apprise."""

from __future__ import annotations

import asyncio
import json
import warnings
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import cast

from relay.backends import apprise, apprise_child, smtp
from relay.backends.fit import utf8_bytes
from relay.values import Secret
from tests.backends.rig import CANARY, Rig
from tests.emulators.mail import Arrived, MailServer
from tests.emulators.notifier import JsonSink

OUR_TAGS = {"p", "strong", "pre", "br"}


class Html(HTMLParser):
    """The text of a page as shown, and every tag in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag if not attrs else f"{tag} {attrs}")
        self.text += "\n" if tag in {"p", "br", "pre"} else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(arrived: Arrived) -> str:
    """Subject, and the text as a person reads it."""
    return f"{arrived.mail['Subject']}\n{arrived.part('plain').removesuffix(chr(10))}"


def foreign(arrived: Arrived) -> list[str]:
    """Tags that are not relay's, and headers that relay doesn't write."""
    headers = [f"{name}: {value}" for name, value in arrived.mail.items() if "\n" in str(value)]
    html = Html(arrived.part("html"))
    return headers + [tag for tag in html.tags if tag not in OUR_TAGS]


async def in_a_thread(asked: bytes) -> bytes:
    """As the process does it; a thousand processes would take the suite many minutes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of 180 plug-ins that are not relay's
        answer = await asyncio.to_thread(apprise_child.outcome, json.loads(asked))
    return json.dumps(answer).encode()


APPRISE = Rig(
    emulator=JsonSink,
    settings=lambda sink: apprise.Settings(
        url=Secret(f"{sink.url.replace('http', 'json')}/{CANARY}-hook/{{to}}")
    ),
    to="ops",
    read=lambda sink: [f"{post['title']}\n{post['message']}" for _, post in sink.posts],
    refused=("", " ", "a\nb"),
    http=False,
    build=lambda settings, door, _: apprise.Apprise(
        cast("apprise.Settings", settings), door, run=in_a_thread
    ),
)

RIGS: dict[str, Rig] = {
    **({"apprise": APPRISE} if find_spec("apprise") else {}),
    "smtp": Rig(
        emulator=lambda: MailServer(login=("relay", f"{CANARY}-password")),
        settings=lambda server: smtp.Settings(
            url=server.url,
            from_="Relay <relay@example.com>",
            username="relay",
            password=Secret(f"{CANARY}-password"),
            starttls="never",
            max_text=4000,
        ),
        to="wang@example.com",
        read=lambda server: [shown(one) for one in server.arrived],
        markup=lambda server: [found for one in server.arrived for found in foreign(one)],
        unknown="nobody@example.com",
        refused=("", "wang", "a b@example.com", "a@b@c", "<a@example.com>", "a@example.com\r\nRCPT TO:<b@c>"),
        size=lambda text: utf8_bytes(text.partition("\n")[2]),
        limit=4000,
        http=False,
    ),
}
