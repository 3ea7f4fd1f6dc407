"""Rigs of mail and Apprise."""

from __future__ import annotations

from html.parser import HTMLParser

from relay.backends import smtp
from relay.backends.fit import utf8_bytes
from relay.values import Secret
from tests.backends.rig import CANARY, Rig
from tests.emulators.mail import Arrived, MailServer

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


RIGS: dict[str, Rig] = {
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
