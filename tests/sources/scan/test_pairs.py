"""What ends a pair is looked for like what a rule takes."""

from __future__ import annotations

from relay.config.schema import Config, Match, Pair, Rule, TailSource, Text
from relay.sources.scan.sieve import sieves_of
from tests.sources.scan.test_equal import NOW, PATH, read


def words(text: str) -> Match:
    return Match(message=(Text("part", text),))


def test_the_end_of_a_pair_comes_through_the_scan() -> None:
    source = TailSource(tail=(PATH,))
    pair = Pair(ends=words("job finished"), within=60.0, by=("job",))
    config = Config(
        sources={"app": source}, rules=(Rule(name="jobs", match=words("job started"), pair=pair),)
    )
    sieve = sieves_of(config)["app"].of_module("x")
    assert sieve is not None
    data = b"job started\nnothing of note\njob finished\n"
    events = read(data, [], source, sieve)
    assert [event.message for event in events] == ["job started", "job finished"]
    assert {event.time for event in events} == {NOW}
