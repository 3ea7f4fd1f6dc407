"""Rigs of Matrix, Zulip, ntfy, Gotify, Bark, ServerChan, PagerDuty."""

from __future__ import annotations

import re

from relay.backends import bark, gotify, matrix, ntfy, pagerduty, serverchan, zulip
from relay.backends.fit import utf8_bytes
from relay.values import Secret
from tests.backends.rig import CANARY, Rig
from tests.backends.rigs_mail import OUR_TAGS, Html
from tests.emulators.bark import BarkServer
from tests.emulators.faults import decoded
from tests.emulators.fences import outside, shown
from tests.emulators.gotify import GotifyServer
from tests.emulators.matrix import MatrixServer
from tests.emulators.ntfy import NtfyServer
from tests.emulators.pagerduty import KEY, PagerDutyEvents
from tests.emulators.serverchan import TURBO, V3, ServerChanService
from tests.emulators.zulip import API_KEY, EMAIL, ZulipServer

TOKEN = f"{CANARY}-token"
MARKUP = re.compile(r"https?://|[@<>\[\]*_`#]")  # nothing of it belongs outside a code block


def pinged(server: MatrixServer) -> list[str]:
    """Mentions, and tags that are not relay's."""
    mentions = [str(content["m.mentions"]) for content in server.contents() if content["m.mentions"]]
    pages = [Html(content["formatted_body"]) for content in server.contents()]
    return mentions + [tag for page in pages for tag in page.tags if tag not in OUR_TAGS]


def serverchan_rig(key: str) -> Rig:
    return Rig(
        emulator=ServerChanService,
        settings=lambda service: serverchan.Settings(sendkey=Secret(key), server=service.url),
        to="ops",
        read=lambda service: [f"{one['title']}\n{shown(one['desp'])}" for one in service.messages],
        markup=lambda service: [
            found for one in service.messages for found in MARKUP.findall(outside(one["desp"]))
        ],
    )


RIGS: dict[str, Rig] = {
    "bark": Rig(
        emulator=lambda: BarkServer(f"{CANARY}1"),
        settings=lambda server: bark.Settings(
            server=server.url,
            devices={"wang": Secret(f"{CANARY}1"), "gone": Secret(f"{CANARY}2")},
        ),
        to="wang",
        read=lambda server: [f"{push['title']}\n{push['body']}" for _, push in server.pushes],
        unknown="gone",
        refused=("", "li"),
        size=lambda text: bark.pushed_bytes(text.replace("\n", "", 1)),
        limit=bark.MOST_BYTES,
    ),
    "gotify": Rig(
        emulator=lambda: GotifyServer(f"A{TOKEN}"),
        settings=lambda server: gotify.Settings(server=server.url, token=Secret(f"A{TOKEN}")),
        to="ops",
        read=lambda server: [f"{one['title']}\n{one['message']}" for one in server.messages],
    ),
    "matrix": Rig(
        emulator=lambda: MatrixServer(TOKEN),
        settings=lambda server: matrix.Settings(homeserver=server.url, access_token=Secret(TOKEN)),
        to="!ops:example.org",
        read=lambda server: server.shown(),
        markup=pinged,
        unknown="!nowhere:example.org",
        refused=("", "ops", "@ann:example.org", "#ops", "!a b", "!a:b @ann", "!a/b:c", "!a:b\n"),
    ),
    "ntfy": Rig(
        emulator=lambda: NtfyServer(token=TOKEN),
        settings=lambda server: ntfy.Settings(server=server.url, token=Secret(TOKEN)),
        to="ops",
        read=lambda server: [f"{one['title']}\n{one['message']}" for one in server.published],
        unknown="docs",
        refused=("", "a/b", "a b", "../x", "é", "x" * 65),
        size=lambda text: utf8_bytes(text.partition("\n")[2]),
        limit=ntfy.MOST_BYTES,
    ),
    "pagerduty": Rig(
        emulator=PagerDutyEvents,
        settings=lambda server: pagerduty.Settings(
            routing_key=Secret(KEY), endpoint=f"{server.url}/v2/enqueue"
        ),
        to="ops",
        read=lambda server: [decoded(event["payload"]) for event in server.events],
    ),
    "serverchan-turbo": serverchan_rig(TURBO),
    "serverchan-v3": serverchan_rig(V3),
    "zulip": Rig(
        emulator=ZulipServer,
        settings=lambda server: zulip.Settings(
            site=server.url, email=EMAIL, api_key=Secret(API_KEY), max_characters=3000
        ),
        to="#ops",
        read=lambda server: [one["content"] for one in server.messages],
        markup=lambda server: [
            found for one in server.messages for found in MARKUP.findall(outside(one["content"]))
        ],
        unknown="#nowhere",
        refused=("", "ops", "#", "ann", "ann@example.com,", "#a\nb", "#ops > " + "x" * 61),
        size=len,
        limit=3000,
    ),
}
