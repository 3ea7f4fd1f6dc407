"""Exim as it comes with Debian, with a spool, mailboxes and a configuration of its own, on a loopback port.

It takes mail for three people of example.com and knows nobody else there, wants a login from
secure@example.com, offers STARTTLS and logins only within it, and puts each mail into a Maildir.
"""

from __future__ import annotations

import email
import email.policy
import grp
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

from tests.emulators.mail import CERTIFICATE
from tests.real.process import folder, free_port, listens, running, until

EXIM = shutil.which("exim4") or "/usr/sbin/exim4"
DEBIANS = "Debian-exim"  # the account that the package makes
LOGIN = ("relay", "s3cr3t-w0rd")
PEOPLE = ("wang", "li", "ops")
MOST = 20_000  # bytes of a mail

CONFIGURATION = """\
exim_path = {exim}
exim_user = {user}
exim_group = {group}
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/exim.pid
primary_hostname = mail.example.com
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {folder}/certificate.pem
auth_advertise_hosts = ${{if def:tls_in_cipher {{*}}}}
message_size_limit = {most}
keep_environment =
acl_smtp_mail = mail
acl_smtp_rcpt = receiver
acl_smtp_data = accept

begin acl
mail:
  deny message = 530 5.7.0 Authentication required
       senders = secure@example.com
       !authenticated = *
  accept
receiver:
  defer message = 4.7.1 Greylisted, come back later
        local_parts = grey
  require message = 5.7.1 Relaying is not permitted
          domains = example.com
  require verify = recipient
  accept

begin routers
people:
  driver = accept
  domains = example.com
  local_parts = {people}
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/$local_part_data
  maildir_format
  return_path_add
  user = {user}

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{login}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


class Exim:
    """The server and its mailboxes."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self.port = port
        self.url = f"smtp://localhost:{port}"
        self.certificate = str(CERTIFICATE)

    def mails(self, person: str, count: int) -> list[EmailMessage]:
        """That many mails of a person, in the order of their arrival; waits until they are there."""
        until(lambda: len(self._files(person)) >= count)
        files = sorted(self._files(person), key=lambda file: file.stat().st_mtime_ns)
        assert len(files) == count
        return [_parsed(file.read_bytes()) for file in files]

    def empty(self) -> None:
        """Forget all mails."""
        shutil.rmtree(self.path / "mail", ignore_errors=True)

    def received(self) -> int:
        """How many mails the server took charge of, whoever they were for."""
        logs = (self.path / name for name in ("mainlog", "exim.out"))  # the latter where it isn't root's
        return sum(log.read_text().count(" <= ") for log in logs if log.exists())

    def _files(self, person: str) -> list[Path]:
        return list((self.path / "mail" / person / "new").glob("*"))


def _parsed(raw: bytes) -> EmailMessage:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def part(mail: EmailMessage, kind: str) -> str:
    """The text of a mail's plain or HTML part; "" if there is none."""
    body = mail.get_body((kind,))
    return "" if body is None else str(body.get_content()).replace("\r\n", "\n")


@contextmanager
def exim() -> Iterator[Exim]:
    """A running server; as root it runs as Debian's user for it, else as whoever starts it."""
    root = os.geteuid() == 0
    account = pwd.getpwnam(DEBIANS) if root else pwd.getpwuid(os.geteuid())
    with folder(DEBIANS if root else "") as path:
        server = Exim(path, free_port())
        certificate, configuration = path / "certificate.pem", path / "exim.conf"
        shutil.copy(CERTIFICATE, certificate)
        certificate.chmod(0o644)  # a key made for tests, in the repository anyway
        configuration.write_text(
            CONFIGURATION.format(
                exim=EXIM,
                user=account.pw_name,
                group=grp.getgrgid(account.pw_gid).gr_name,
                folder=path,
                port=server.port,
                most=MOST,
                people=" : ".join(PEOPLE),
                login=LOGIN[0],
                password=LOGIN[1],
            )
        )
        command = (EXIM, "-C", configuration, "-bdf")
        with running(command, path / "exim.out", lambda: listens(server.port)):
            yield server
