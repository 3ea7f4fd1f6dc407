"""Matrix Synapse with SQLite, from a virtual environment of its own (`make test-real` makes it)."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from relay.models import Json
from tests.real.process import folder, free_port, running

PYTHON = Path(__file__).parent.parent.parent / ".venv-synapse" / "bin" / "python"
SECRET = "fixture-secret"
API = "/_matrix/client/v3"

CONFIGURATION = """\
server_name: test.local
pid_file: homeserver.pid
listeners:
  - bind_addresses: [127.0.0.1]
    port: {port}
    type: http
    tls: false
    resources: [{{names: [client]}}]
database: {{name: sqlite3, args: {{database: homeserver.db}}}}
media_store_path: media_store
signing_key_path: test.local.signing.key
registration_shared_secret: {secret}
macaroon_secret_key: fixture-macaroon
form_secret: fixture-form
report_stats: false
trusted_key_servers: []
caches: {{sync_response_cache_duration: 0s}}
rc_message: &free {{per_second: 1000, burst_count: 1000}}
rc_room_creation: *free
rc_login: {{address: *free, account: *free, failed_attempts: *free}}
rc_joins: {{local: *free, remote: *free}}
rc_joins_per_room: *free
rc_invites: {{per_room: *free, per_user: *free, per_issuer: *free}}
"""

# A proxy of the environment has nothing to do with a server on this host.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Synapse:
    """The server; its calls are those of an administrator and of people, not relay's."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        try:
            return self.call("GET", "/health") is not None
        except urllib.error.URLError:
            return False

    def user(self, name: str, *, admin: bool = False) -> User:
        """A new account."""
        nonce = self.call("GET", "/_synapse/admin/v1/register")["nonce"]
        told = "\0".join((nonce, name, f"pw-{name}", "admin" if admin else "notadmin"))
        mac = hmac.new(SECRET.encode(), told.encode(), hashlib.sha1).hexdigest()
        asked = {"nonce": nonce, "username": name, "password": f"pw-{name}", "admin": admin, "mac": mac}
        made = self.call("POST", "/_synapse/admin/v1/register", asked)
        return User(self, made["user_id"], f"pw-{name}", made["access_token"])

    def call(self, method: str, path: str, payload: Json | None = None, token: str = "") -> Json:
        """The answer; urllib's HTTPError for a refusal."""
        request = urllib.request.Request(self.url + path, method=method)
        request.data = None if payload is None else json.dumps(payload).encode()
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with _DIRECT.open(request, timeout=20) as answer:
            body = answer.read()
        return json.loads(body) if body.startswith(b"{") else {"body": body.decode()}


class User:
    """Somebody with an account: what they do and see."""

    def __init__(self, server: Synapse, ident: str, password: str, token: str) -> None:
        self.server = server
        self.id = ident
        self.password = password
        self.token = token

    def call(self, method: str, path: str, payload: Json | None = None) -> Json:
        return self.server.call(method, path, payload, self.token)

    def room(self, *invited: User, alias: str = "") -> str:
        asked: Json = {"preset": "private_chat", "invite": [user.id for user in invited]}
        if alias:
            asked["room_alias_name"] = alias
        return str(self.call("POST", f"{API}/createRoom", asked)["room_id"])

    def join(self, room: str) -> None:
        self.call("POST", f"{API}/join/{quote(room, safe='')}", {})

    def messages(self, room: str) -> list[dict[str, Any]]:
        """The messages of a room as the server gives them to a client, the oldest first."""
        path = f"{API}/rooms/{quote(room, safe='')}/messages?dir=b&limit=100"
        chunk = self.call("GET", path)["chunk"]
        return [event for event in reversed(chunk) if event["type"] == "m.room.message"]

    def thread(self, room: str, root: str) -> list[dict[str, Any]]:
        """The thread under an event by the server's own account, the oldest first."""
        path = f"/_matrix/client/v1/rooms/{quote(room, safe='')}/relations/{quote(root, safe='')}/m.thread"
        return list(reversed(self.call("GET", path)["chunk"]))

    def redact(self, room: str, event: str) -> None:
        self.call("PUT", f"{API}/rooms/{quote(room, safe='')}/redact/{quote(event, safe='')}/r1", {})

    def mentions(self) -> int:
        """How many unread messages mention this user, by the server's push rules."""
        rooms = self.call("GET", f"{API}/sync")["rooms"].get("join", {})
        return sum(room["unread_notifications"].get("highlight_count", 0) for room in rooms.values())


@contextmanager
def synapse() -> Iterator[Synapse]:
    """A running server with an empty database."""
    with folder() as path:
        port = free_port()
        configuration = path / "homeserver.yaml"
        configuration.write_text(CONFIGURATION.format(port=port, secret=SECRET))
        command: list[str | Path] = [PYTHON, "-m", "synapse.app.homeserver", "-c", configuration]
        subprocess.run([*command, "--generate-keys"], cwd=path, check=True, capture_output=True)
        server = Synapse(port)
        with running(command, path / "synapse.out", server.answers):
            yield server
