from __future__ import annotations

import pytest

from relay.routing.headers import peel


@pytest.mark.parametrize(
    "header",
    [
        "2026-03-01 10:00:00,123 ERROR pay.refund: ",
        "2026-03-01T10:00:00.123Z ERROR ",
        "2026-03-01 10:00:00 UTC [15047] app@shop FATAL:  ",
        "2026/03/01 10:00:00 [error] 6448#2: *1349112 ",
        "[Sun Dec 04 04:47:44 2005] [error] ",
        "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: ",
        "<13>Jun 14 15:16:01 combo pay: ",
        "Apr 17 14:11:26 web1 kernel: [62000.204556] ",
        "[62000.204556] ",
        "17/06/09 20:10:40 INFO executor.Backend: ",
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: ",
        "2015-10-18 18:01:47,978 INFO [main] org.apache.MRAppMaster: ",
        "2015-10-18 18:01:47,978 WARN [any thread at all] org.apache.ipc.Client: ",
        "2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:2181:Election@774] - ",
        "[10.30 16:49:06] chrome.exe - ",
        "nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO nova.wsgi [req-38 - - -] ",
        "[2025-11-15 17:03:51,026: ERROR/ForkPoolWorker-7] ",
        "03/Jun/2023:07:54:01 +0800 ERROR ",
        "Fri, 14 May 2024 12:59:53 GMT ",
        'time="1617968512" ',
        "ERROR:  ",
        "20171223-22:15:29:606|Step_Core|30002312|",
        "- 1131566461 2005.11.09 dn228 Nov  9 12:01:01 dn228/dn228 crond(pam_unix)[2915]: ",
        "2024-05-01T10:00:00Z gw Jan  1 10:00:00 web1 sshd[7]: ",
        "2016-09-28 04:30:30, Info                  CBS    ",
        "03-17 16:13:38.811  1702  2395 D WindowManager: ",
        "Jul  2 00:43:24 mac7 Some App Helper[31] (org.example.look[7]): ",
        "E0415 10:00:03.123456    4321 kubelet.go:763] ",
    ],
)
def test_headers_are_peeled(header: str) -> None:
    assert peel(f"{header}no answer from upstream") == "no answer from upstream"


@pytest.mark.parametrize(
    "line",
    [
        "no answer: from upstream",
        "redis.service: failed",
        "Error: connect ECONNREFUSED",
        "10 items lost",
        "[payments] failed",
    ],
)
def test_what_is_no_header_stays(line: str) -> None:
    assert peel(line) == line


def test_a_line_that_is_all_header_stays() -> None:
    assert peel("2026-03-01 10:00:00 ERROR") == "2026-03-01 10:00:00 ERROR"


def test_syslog_headers_end_with_the_program() -> None:
    assert peel("Aug  3 06:24:23 h systemd[1]: redis.service: failed") == "redis.service: failed"
