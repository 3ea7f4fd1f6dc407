"""Sixteen kinds of log lines, written here in the style of the systems they are named after.

A template's `<field>`s are filled once, when the pool of lines is made. The marks below stay in the pool and
are replaced block by block while the corpus is written, so that no block repeats another.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

# What changes from block to block: clock (hours, minutes) and two numbers.
MARKS: Final = {"hh": "\x01", "mm": "\x02", "seq": "\x03", "run": "\x04"}

_FIELD: Final = re.compile(r"<(\w+)>")
_WORDS: Final = "alder birch cedar elm fir hazel ivy juniper kapok larch maple oak pine rowan".split()  # noqa: SIM905 - words
_USERS: Final = "root admin guest oracle test deploy jenkins git wang.li mueller postgres".split()  # noqa: SIM905 - words
_APPS: Final = ("chrome.exe", "Dropbox.exe", "outlook.exe", "WeChat.exe", "putty.exe")


def _number(digits: int) -> Callable[[random.Random], str]:
    low, high = 10 ** (digits - 1), 10**digits
    return lambda chance: str(chance.randrange(low, high))


def _hex(digits: int) -> Callable[[random.Random], str]:
    return lambda chance: f"{chance.getrandbits(4 * digits):0{digits}x}"


FIELDS: Final[dict[str, Callable[[random.Random], str]]] = {
    **{name: lambda chance, mark=mark: mark for name, mark in MARKS.items()},  # type: ignore[misc]
    **{f"n{digits}": _number(digits) for digits in range(1, 13)},
    **{f"x{digits}": _hex(digits) for digits in (2, 4, 8, 12, 16)},
    "ss": lambda chance: f"{chance.randrange(60):02}",
    "ip": lambda chance: f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}",
    "word": lambda chance: chance.choice(_WORDS),
    "user": lambda chance: chance.choice(_USERS),
    "app": lambda chance: chance.choice(_APPS),
}


def fill(template: str, chance: random.Random, **given: str) -> str:
    """The template with its fields: those given, others by chance."""
    return _FIELD.sub(lambda found: given.get(found[1]) or FIELDS[found[1]](chance), template)


class Kind(Struct, frozen=True):
    """One system's lines."""

    head: str  # up to the message; `<level>` stands for one of `levels`
    bodies: tuple[str, ...]
    levels: tuple[str, ...] = ("INFO",)  # as often as they stand here
    warning: str = ""  # its word for a warning or worse; "": it has none, or relay doesn't take it for one

    def line(self, chance: random.Random) -> str:
        """An everyday line."""
        return fill(self.head + chance.choice(self.bodies), chance, level=chance.choice(self.levels))


_MOSTLY_INFO: Final = ("INFO",) * 17 + ("WARN", "WARN", "ERROR")

KINDS: Final[dict[str, Kind]] = {
    "HDFS": Kind(
        "260301 <hh><mm><ss> <n3> <level> dfs.DataNode$BlockMover: ",
        (
            "Serving block blk_<n12> to /<ip>",
            "Accepted block blk_<n12> of size <n8> from /<ip>",
            "Pipeline responder <n1> for block blk_-<n12> is done",
            "BLOCK* NameSystem.storedBlockMap: node <ip>:50010 now holds blk_<n12> size <n8>",
        ),
        _MOSTLY_INFO,
        "WARN",
    ),
    "Hadoop": Kind(
        "2026-03-01 <hh>:<mm>:<ss>,<seq> <level> [event loop] org.apache.hadoop.mapreduce.v2.Task: ",
        (
            "attempt_<n10>_<n4>_m_<n6>_0 went from ASSIGNED to RUNNING",
            "Progress of TaskAttempt attempt_<n10>_<n4>_r_<n6>_1 is 0.<n3>",
            "Container container_<n10>_<n4>_01_<n6> taken for task_<n10>",
            "Retrying connect to <word>:<n4>, tried <n1> times",
        ),
        _MOSTLY_INFO,
        "WARN",
    ),
    "Spark": Kind(
        "26/03/01 <hh>:<mm>:<ss> <level> executor.Worker: ",
        (
            "Finished task <n2>.0 in stage <n2>.0 (TID <seq><n2>). <n4> bytes result sent to driver",
            "Block broadcast_<n3> kept as values in memory (size <n2>.<n1> KB, free <n3>.<n1> MB)",
            "Reading input split hdfs://<ip>:9000/data/<word>/part-<n5>:<n8>+<n7>",
        ),
        _MOSTLY_INFO,
        "WARN",
    ),
    "Zookeeper": Kind(
        "2026-03-01 <hh>:<mm>:<ss>,<seq> - <level>  [QuorumPeer[myid=<n1>]/0.0.0.0:2181:Election@<n3>] - ",
        (
            "Received connection request /<ip>:<n5>",
            "Notification: <n1> (n.leader), 0x<x12> (n.zxid), 0x<n1> (n.round), LOOKING (n.state)",
            "Client session 0x<x16> at /<ip>:<n5> has ended",
        ),
        _MOSTLY_INFO,
        "WARN",
    ),
    "OpenStack": Kind(
        "nova-api.log 2026-03-01 <hh>:<mm>:<ss>.<seq> <n5> <level> nova.api.server [req-<x8>-<x4> <x16>] ",
        (
            '<ip> "GET /v2/<x16>/servers/detail HTTP/1.1" status: 200 len: <n4> time: 0.<n7>',
            '<ip> "POST /v2/<x16>/os-server-events HTTP/1.1" status: 202 len: <n3> time: 0.<n7>',
            "[instance: <x8>-<x4>-<x12>] VM Started (lifecycle event)",
        ),
        _MOSTLY_INFO,
        "WARNING",
    ),
    "BGL": Kind(
        "- 11<n8> 2026.03.01 R<n2>-M1-N<n1>-C:J<n2>-U11 2026-03-01-<hh>.<mm>.<ss>.<n6> RAS KERNEL <level> ",
        (
            "instruction cache parity fault put right",
            "generating core.<seq><n2>",
            "<n2> double-hummer alignment traps",
            "CE sym <n2>, at 0x<x8>, mask 0x<x2>",
        ),
        ("INFO",) * 9 + ("FATAL",),
    ),
    "HPC": Kind(
        "<n6> node-<n3> unix.hw state_change.<word> 11<n8> 1 ",
        (
            "Component State Change: Component \\042alt<n1>\\042 is in the unavailable state (HWID=<n4>)",
            "ClusterFileSystem: storage domain <n2> changed its <n1> servers",
            "boot (command <n4>) on node-<n3>: halted",
        ),
    ),
    "Thunderbird": Kind(
        "- 11<n8> 2026.03.01 dn<n3> Mar 1 <hh>:<mm>:<ss> dn<n3>/dn<n3> crond(pam_unix)[<n4>]: ",
        (
            "session opened for user <user> by (uid=0)",
            "session closed for user <user>",
            "(<user>) CMD (run-parts /etc/cron.<word>)",
        ),
    ),
    "Windows": Kind(
        "2026-03-01 <hh>:<mm>:<ss>, <level>                  CBS    ",
        (
            "Loaded Servicing Stack v6.1.<n4>.<n5> with Core: C:\\Windows\\winsxs\\amd64_<x16>\\core.dll",
            "Session: <n8>_<n9> initialized by client <word>.",
            "Read out cached package applicability for package: KB<n7>, Current: Installed",
        ),
        ("Info",) * 19 + ("Warning",),
    ),
    "Linux": Kind(
        "Mar  1 <hh>:<mm>:<ss> combo <word>(pam_unix)[<n5>]: ",
        (
            "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=<ip>  user=<user>",
            "check pass; user unknown",
            "connection from <ip> (<word>.example.net) at Sun Mar  1 <hh>:<mm>:<ss> 2026",
        ),
    ),
    "Mac": Kind(
        "Mar  1 <hh>:<mm>:<ss> office-mac-<n2> <word>[<n3>]: ",
        (
            "ARPT: <n6>.<n6>: AirPort_Brcm43xx::syncPowerState: WWEN[enabled]",
            "Thermal pressure state: <n1> Memory pressure state: <n1>",
            "en0: link up on network Bücherei-<n2>, channel <n2>",
            "IOThunderboltSwitch(0x<n1>)::listener - Thunderbolt HPD packet for route = 0x<n1> port = <n2>",
        ),
    ),
    "Apache": Kind(
        "[Sun Mar 01 <hh>:<mm>:<ss> 2026] [<level>] ",
        (
            "workerEnv.init() ok /etc/httpd/conf/workers<n1>.properties",
            "[client <ip>] Directory index forbidden by rule: /var/www/<word>/",
            "jk2_init() Found child <n5> in scoreboard slot <n2>",
        ),
        ("notice", "notice", "error"),
        "error",
    ),
    "OpenSSH": Kind(
        "Mar  1 <hh>:<mm>:<ss> gate sshd[<n5>]: ",
        (
            "Failed password for invalid user <user> from <ip> port <n5> ssh2",
            "Received disconnect from <ip>: 11: Bye Bye [preauth]",
            "pam_unix(sshd:auth): check pass; user unknown",
        ),
    ),
    "Android": Kind(
        "03-01 <hh>:<mm>:<ss>.<seq>  <n4>  <n4> D <word>Service: ",
        (
            "acquire lock=<n9>, flags=0x<n1>, tag=View Lock, name=android, ws=null, uid=<n5>, pid=<n4>",
            "ready=true,policy=<n1>,wakefulness=<n1>,bootCompleted=true,userActivitySummary=0x<n1>",
            "notifyUiVisibilityChanged: vis=<n1>, SystemUiVisibility=<n1>",
        ),
    ),
    "HealthApp": Kind(
        "20260301-<hh>:<mm>:<ss>:<seq>|Step_<word>|3<n7>|",
        (
            "onStandStepChanged <n4>",
            "calculateCaloriesWithCache totalCalories=<n6>",
            "getTodayTotalDetailSteps = 15<n8>##<n4>##<n6>##8661##<n4>##<n8>",
        ),
    ),
    "Proxifier": Kind(
        "[03.01 <hh>:<mm>:<ss>] <app> *64 - ",
        (
            "proxy.<word>.example.org:5070 open through proxy proxy.<word>.example.org:5070 HTTPS",
            "proxy.<word>.example.org:5070 close, <n4> bytes sent, <n5> bytes received, lifetime <mm>:<ss>",
        ),
    ),
}
