"""`/a/ACTION/ALERT`: the pages behind the links in messages.

A GET changes nothing: chat clients and mail gateways fetch links by themselves. It shows what would be done
and a button; the POST does it, with the same result as often as it comes. The tag is all the authority there
is: neither a token nor an origin is asked for, as pages are opened in whatever browser a messenger has.
"""

from __future__ import annotations

from html import escape
from typing import Final

import structlog
from aiohttp import web

from relay.errors import RelayError
from relay.links import ACTIONS, SILENCE
from relay.models import Json
from relay.values import format_duration
from relay.web.inside import Inside
from relay.web.middleware import ACTION
from relay.web.seldom import Seldom

log = structlog.get_logger()

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>relay: {head}</title>
</head>
<body>
<h1>{head}</h1>
{body}
</body>
</html>
"""
_HEADERS: Final = {
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; form-action 'self'",
}


class Actions:
    """Shows and executes what a link stands for."""

    def __init__(self, inside: Inside, seldom: Seldom) -> None:
        self._inside = inside
        self._seldom = seldom

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [web.get(ACTION, self._show), web.post(ACTION, self._do)]

    async def _show(self, request: web.Request) -> web.Response:
        """What would be done."""
        action, alert, who = _asked(request)
        if why := self._refused(request):
            return _page("This link does not work", f"<p>{escape(why)}.</p>", 403)
        row = await self._inside.verbs["alert"]({"id": alert})
        if row is None or row["alert"]["state"] == "resolved":
            return _page(f"Alert {alert} is over", _about(row) if row else "<p>It is over.</p>")
        what = _BUTTONS[action]
        body = f'{_about(row)}<form method="post"><p><button>{escape(what)}</button></p></form>'
        return _page(what, f"{body}<p>The link was sent to {escape(who)}.</p>")

    async def _do(self, request: web.Request) -> web.Response:
        action, alert, who = _asked(request)
        if why := self._refused(request):
            return _page("This link does not work", f"<p>{escape(why)}.</p>", 403)
        row = await self._inside.verbs["alert"]({"id": alert})
        try:
            done = await self._done(action, alert, who, row)
        except RelayError as error:
            return _page("Nothing was done", f"<p>{escape(str(error))}.</p>", 409)
        log.info("link_followed", action=action, alert=alert, recipient=who)
        return _page(done, _about(row) if row else "")

    async def _done(self, action: str, alert: int, who: str, row: Json | None) -> str:
        """In words."""
        if action == "ack":
            found = await self._inside.verbs["ack"]({"alert": alert, "by": who, "once": True})
            lasts = found["acked_until"] - self._inside.clock.now()
            rest = f", for {format_duration(lasts)} from now" if found["acked_until"] else ""
            return f"Alert {alert} is acknowledged by {found['acked_by']}{rest}"
        fingerprint = row["alert"]["fingerprint"] if row else ""
        made = await self._inside.verbs["silence"](
            {
                "matchers": [f"fingerprint={fingerprint}"],
                "for": SILENCE,
                "by": who,
                "reason": f"by link, alert {alert}",
                "once": True,
            }
        )
        lasts = made["ends_at"] - self._inside.clock.now()
        return f"Alert {alert} is silenced, for {format_duration(lasts)} from now"

    def _refused(self, request: web.Request) -> str:
        action, alert, who = _asked(request)
        query = request.query
        why = self._inside.links.refused(
            action, alert, who, query.get("e", ""), query.get("t", ""), self._inside.clock.now()
        )
        if why and self._seldom("link"):
            log.warning("link_refused", action=action, alert=alert, why=why)
        return why


_BUTTONS: Final = {"ack": "Acknowledge: I work on it", "silence": "Silence for one hour"}
assert _BUTTONS.keys() == ACTIONS.keys()


def _asked(request: web.Request) -> tuple[str, int, str]:
    """Action, alert, and whom the link was for."""
    return request.match_info["action"], int(request.match_info["alert"]), request.query.get("r", "")


def _about(row: Json) -> str:
    alert = row["alert"]
    title = escape(f"{alert['module']}: {alert['title']}")
    state = f"Alert {alert['id']} is {alert['state']}, seen {alert['count']} times."
    by = f" Acknowledged by {escape(alert['acked_by'])}." if alert["state"] == "acked" else ""
    return f"<p><strong>{title}</strong></p><p>{escape(state)}{by}</p>"


def _page(head: str, body: str, status: int = 200) -> web.Response:
    text = _PAGE.format(head=escape(head), body=body)
    return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)
