"""What an earlier process said is wrong ends, if this one doesn't find it so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.clock import FakeClock
from relay.models import Alert
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from relay.past_troubles import PastTroubles
from relay.routing.own import TROUBLE
from tests.fakes import Reports, alert, event


class Stage:
    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.alerts: list[Alert] = []
        self.reports = Reports()
        self.past = PastTroubles(store, FakeClock(), lambda: self.alerts, self.reports)

    async def had(self, kind: str, subject: str, rule: str = TROUBLE) -> None:
        number = self.store.next_ids(1)
        made = alert(f"{number:016x}", id=number, rule=rule, module=f"relay.{kind}")
        self.alerts.append(made)
        told = event("x", module=made.module, labels={"subject": subject})
        await self.store.commit(Commit(alerts=[made], samples={number: told}))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), FakeClock())
    yield Stage(store)
    await store.close()


async def test_what_isnt_met_again_is_over(stage: Stage) -> None:
    await stage.had("backend", "rtx")
    await stage.had("backend", "mail")
    await stage.had("vitals", "store")
    stage.past.note("backend", "mail")  # still down: this process has said so
    await stage.past.run_once()
    assert stage.reports.told == [("backend", "rtx", True), ("vitals", "store", True)]


@pytest.mark.parametrize("kind", ["delivery", "drill", "gap", "store"])
async def test_what_doesnt_pass_by_itself_stays(stage: Stage, kind: str) -> None:
    await stage.had(kind, "wang")
    await stage.had("backend", "rtx", rule="somebody's own")
    await stage.past.run_once()
    assert stage.reports.told == []
