from __future__ import annotations

from relay.models import Reason
from relay.routing.meters.new import New
from tests.routing.meters.rig import Driven, at


def test_the_first_ever_passes_and_later_ones_only_while_its_alert_lives() -> None:
    driven = Driven(New())
    assert len(driven.take(0, at(0), at(1)).told) == 2
    driven.live = True
    assert len(driven.take(5, at(5)).told) == 1
    driven.live = False
    outcome = driven.take(90_000, at(90_000), at(90_001))
    assert (outcome.told, [held.reason for _, held in outcome.held]) == ((), [Reason.KNOWN] * 2)
    assert driven.state is not None
    assert driven.meter.owed(driven.state) == ("2 earlier were not new",)
    assert driven.meter.owed(driven.meter.settled(driven.state)) == ()
    assert driven.until(1e12) == []
