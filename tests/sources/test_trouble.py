from __future__ import annotations

from relay.sources.trouble import Trouble, Troubles


def test_each_problem_is_told_once_and_once_when_it_is_over() -> None:
    told: list[Trouble] = []
    troubles = Troubles(told.append)
    for _ in range(3):
        troubles.begin(Trouble("unreadable", "/a", "no"))
    troubles.begin(Trouble("unreadable", "/b", "no"))
    troubles.begin(Trouble("watch_limit", "/a", "no"))
    assert len(told) == len(troubles) == 3
    assert troubles.paths("unreadable") == ["/a", "/b"]
    for _ in range(3):
        troubles.end("unreadable", "/a")
    assert [(each.kind, each.path) for each in told if each.cleared] == [("unreadable", "/a")]
    troubles.begin(Trouble("unreadable", "/a", "again"))
    assert told[-1].text == "again"
