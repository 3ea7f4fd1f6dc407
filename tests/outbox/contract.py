"""What every engine of the store must do. An engine's test class inherits this one and opens the store."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from relay.errors import StoreError
from relay.models import (
    Address,
    Alert,
    AlertState,
    CheckRecord,
    Delivery,
    DeliveryState,
    Standing,
    Withheld,
)
from relay.outbox.store import Commit, MeterRow, Settlement, Store, StoredHold
from tests.outbox.samples import (
    MAIL,
    NOW,
    RTX,
    alert,
    attempt,
    delivered,
    delivery,
    event,
    position,
    silence,
    stored,
)

PENDING, SENDING = DeliveryState.PENDING, DeliveryState.SENDING
DEAD, CANCELLED, DELIVERED = DeliveryState.DEAD, DeliveryState.CANCELLED, DeliveryState.DELIVERED


class StoreContract:
    """Needs a fixture `store`, and `reopen` to close it and open the same again."""

    async def reopen(self, store: Store) -> Store:
        raise NotImplementedError

    # -- silences, accounts, acknowledgements

    async def test_silences_and_accounts_are_read_back_changed_and_closed(self, store: Store) -> None:
        first = silence(1, until_quiet=600.0, reason='"q" \ud83d')
        kept = replace(first, reason='"q" ?')
        account = Withheld(
            hush="silence 1", recipient="wang", events=3, alerts=1, hosts=("web1",), first=NOW, last=NOW + 5,
            lines=("[ERROR] pay: timeout (x3) #7",), addresses=(RTX,),
        )  # fmt: skip
        other = replace(account, recipient="li")
        await store.commit(Commit(silences=[first, silence(2)], withheld=[account, other]))
        store = await self.reopen(store)
        assert await store.silences() == [silence(2), kept]
        assert await store.withheld() == [other, account]
        more = replace(account, events=5)
        over = replace(kept, ended_at=NOW + 60, ended_by="li", reminded=True, quiet_since=NOW + 9)
        await store.commit(Commit(silences=[over], withheld=[account, more]))
        assert await store.silences() == [silence(2)]
        assert await store.silences(ended_since=NOW) == [silence(2), over]
        assert await store.silences(ended_since=NOW + 61) == [silence(2)]
        assert await store.withheld() == [other, more]
        await store.commit(Commit(withheld=[account], closed=["silence 1", "silence 9"]))
        assert await store.withheld() == []
        assert store.next_ids(1) > 2

    async def test_silences_that_ended_long_ago_are_forgotten(self, store: Store) -> None:
        ended = [silence(1, ended_at=NOW), silence(2, ended_at=NOW + 5)]
        await store.commit(Commit(silences=[*ended, silence(3)]))
        while await store.sweep(0.0, NOW + 1, 0.0, 10):
            pass
        assert [each.id for each in await store.silences(ended_since=0.0)] == [3, 2]

    async def test_what_people_did_about_an_alert_is_read_back(self, store: Store) -> None:
        one = alert(
            1, state=AlertState.ACKED, hushed="silence 3", acked_by="wang", acked_until=NOW + 60, step=2,
            stepped_at=NOW, equal=(("host", "web1"), ("host", "web2")),
        )  # fmt: skip
        await store.commit(Commit(alerts=[one]))
        assert await store.live_alerts() == [one]
        free = replace(
            one, state=AlertState.FIRING, hushed="", acked_by="", acked_until=0.0, step=0, equal=()
        )
        await store.commit(Commit(alerts=[free]))
        assert await store.live_alerts() == [free]

    async def test_alerts_of_which_no_message_was_accepted(self, store: Store) -> None:
        owed = [delivery(11, alert=1), delivery(12, alert=1), delivery(13, alert=2)]
        await store.commit(Commit(alerts=[alert(1), alert(2), alert(3)], deliveries=owed))
        assert await store.unaccepted_alerts([1, 2, 3]) == {1, 2}
        await store.claim("rtx", 1, NOW, NOW + 60)
        await store.settle([delivered(owed[0])])
        assert await store.unaccepted_alerts([1, 2, 3]) == {2}
        assert await store.unaccepted_alerts([1]) == set()

    async def test_texts_are_kept_by_name(self, store: Store) -> None:
        assert await store.recall("id") == ""
        await store.keep("id", "one")
        await store.keep("id", "two")
        identity = store.id
        store = await self.reopen(store)
        assert await store.recall("id") == "two"
        assert store.id == identity

    # -- commit

    async def test_everything_committed_is_read_back_as_it_was(self, store: Store) -> None:
        one = alert(1, count=3, reminders=2, group="group-1")
        owed = delivery(2, alert=1, thread="group-1", tried=(MAIL,), error="temporary: 500", attempts=3)
        at = position(inode=2**64 - 1, path="/srv/\udce9.log")
        seen = stored(1, id="17", program="0/pay")
        trace = {"steps": ["rule payments"], "reason": "first"}
        await store.commit(
            Commit(
                events=[seen],
                alerts=[one],
                samples={1: seen.event},
                traces={1: trace},
                deliveries=[owed],
                positions=[at],
            )
        )
        row = await store.alert(1)
        assert row is not None
        assert (row.alert, row.sample, row.trace) == (one, seen.event, trace)
        assert await store.events_of(1) == [seen]
        assert await store.delivery(2) == (owed, [])
        assert await store.positions() == [at]
        assert await store.live_alerts() == [one]

    async def test_what_is_noted_is_there_after_reopening(self, store: Store) -> None:
        assert await store.noted("alive") == ""
        await store.note("alive", "1.5")
        await store.note("alive", "2.5")
        await store.note("id", "another thing than the store's")
        identity = store.id
        store = await self.reopen(store)
        assert await store.noted("alive") == "2.5"
        assert (await store.noted("id"), store.id) == ("another thing than the store's", identity)

    async def test_the_watchdogs_records_survive_and_the_latest_counts(self, store: Store) -> None:
        assert await store.checks() == []
        old = CheckRecord(name="web", down=True, since=NOW, restarts=(NOW, NOW + 1), beat_failed="no")
        new = CheckRecord(name="web", since=NOW + 9)
        other = CheckRecord(name="db", paused_until=NOW + 60, gave_up=True)
        await store.commit(Commit(checks=[old]))
        assert await store.checks() == [old]
        await store.commit(Commit(checks=[old, other, new]))
        assert await store.checks() == [other, new]
        assert await (await self.reopen(store)).checks() == [other, new]

    async def test_an_empty_store_has_nothing(self, store: Store) -> None:
        assert await store.alert(1) is None
        assert await store.delivery(1) is None
        assert await store.positions() == []
        assert await store.next_due() == {}
        assert await store.claim("rtx", 10, NOW, NOW + 60) == []
        assert await store.recent_ids(0.0, 10) == []
        assert await store.recent_attempts("rtx", 0.0) == []

    async def test_a_changed_alert_is_replaced_and_keeps_its_sample_and_trace(self, store: Store) -> None:
        await store.commit(Commit(alerts=[alert(1)], samples={1: event()}, traces={1: {"n": 1}}))
        later = alert(1, count=9, state=AlertState.ACKED, last_seen=NOW + 5)
        await store.commit(Commit(alerts=[later]))
        row = await store.alert(1)
        assert row is not None
        assert (row.alert, row.sample, row.trace) == (later, event(), {"n": 1})
        await store.commit(Commit(alerts=[later], traces={1: {"n": 2}}))
        row = await store.alert(1)
        assert row is not None
        assert row.trace == {"n": 2}

    async def test_who_waits_for_what_is_kept(self, store: Store) -> None:
        waiting = Standing("wang", "oncall", 3, NOW, waiting=True)
        await store.commit(Commit(alerts=[alert(1, standings=(waiting,))]))
        assert (await store.live_alerts())[0].standings == (waiting,)
        await store.commit(Commit(alerts=[alert(1)]))
        assert (await store.live_alerts())[0].standings == ()

    async def test_what_was_seen_by_source_module_and_level(self, store: Store) -> None:
        events = [
            stored(message="old", received_at=NOW - 9),
            stored(message="first"),
            stored(message="latest"),
            stored(module="web"),
        ]
        over = alert(1, touched_at=NOW, count=7, state=AlertState.RESOLVED)
        await store.commit(Commit(events=events, alerts=[over], samples={1: event(module="gone")}))
        seen = [(each.event.module, each.event.message, each.count) for each in await store.seen(NOW, 9)]
        text = event().message
        assert seen == [("web", text, 1), ("pay.refund", "latest", 2), ("gone", text, 7)]
        assert len(await store.seen(NOW, 1)) == 1

    async def test_the_last_outcome_at_each_address(self, store: Store) -> None:
        await _claimed(store, 2)
        for number, outcome in ((1, "delivered"), (2, "rejected")):
            made = attempt(number, outcome=outcome, started_at=NOW + number)
            await store.settle([Settlement(delivery=delivery(number), attempt=made)])
        (last,) = await store.last_outcomes(NOW)
        assert (last.backend, last.outcome) == ("rtx", "rejected")
        assert await store.last_outcomes(NOW + 3) == []

    async def test_a_new_alert_may_follow_one_that_ends_in_the_same_commit(self, store: Store) -> None:
        await store.commit(Commit(alerts=[alert(1, fingerprint="f")]))
        new, old = alert(2, fingerprint="f"), alert(1, fingerprint="f", state=AlertState.RESOLVED)
        await store.commit(Commit(alerts=[new, old]))
        assert [one.id for one in await store.live_alerts()] == [2]

    async def test_there_is_one_live_alert_per_fingerprint_and_nothing_of_a_refused_commit(
        self, store: Store
    ) -> None:
        await store.commit(Commit(alerts=[alert(1, fingerprint="f")]))
        with pytest.raises(StoreError):
            await store.commit(
                Commit(events=[stored(2)], alerts=[alert(2, fingerprint="f")], positions=[position()])
            )
        assert await store.alert(2) is None
        assert await store.events_of(2) == []
        assert await store.positions() == []

    async def test_a_refused_commit_takes_none_of_its_neighbours_with_it(self, store: Store) -> None:
        good = [store.commit(Commit(alerts=[alert(number)])) for number in range(1, 11)]
        bad = store.commit(Commit(deliveries=[delivery(99, lease_until=5.0)]))
        answers = await asyncio.gather(*good[:5], bad, *good[5:], return_exceptions=True)
        assert [type(answer) for answer in answers] == [type(None)] * 5 + [StoreError] + [type(None)] * 5
        assert len(await store.live_alerts()) == 10

    async def test_text_that_no_encoding_can_hold_is_stored_all_the_same(self, store: Store) -> None:
        odd = event(message="half \ud83d and \x00", labels={"\udcff": "\udcfe"})
        await store.commit(
            Commit(
                events=[stored(1, message=odd.message, labels=odd.labels)],
                samples={1: odd},
                alerts=[alert(1)],
            )
        )
        [kept] = await store.events_of(1)
        assert kept.event.message == "half ? and \x00"
        assert kept.event.labels == {"?": "?"}

    async def test_a_thousand_events_keep_their_order(self, store: Store) -> None:
        await store.commit(Commit(events=[stored(1, id=str(number), program="p") for number in range(1003)]))
        latest = await store.recent_ids(0.0, 5)
        assert latest == [("p", str(number)) for number in range(998, 1003)]
        assert [seen.event.id for seen in await store.events_of(1, most=2)] == ["1002", "1001"]

    async def test_recent_ids_are_those_since_a_time_and_only_of_events_that_have_one(
        self, store: Store
    ) -> None:
        await store.commit(
            Commit(
                events=[
                    stored(received_at=NOW + n, id="" if n == 3 else f"{n}", program="p") for n in range(5)
                ]
            )
        )
        assert await store.recent_ids(NOW + 2, 10) == [("p", "2"), ("p", "4")]

    async def test_a_position_moves_and_is_forgotten_before_its_inode_comes_again(self, store: Store) -> None:
        old, other = position(), position(inode=78, path="/srv/b.log")
        await store.commit(Commit(positions=[old, other]))
        await store.commit(Commit(positions=[replace(old, offset=9999)]))
        again = position(path="/srv/new.log", offset=0, head="0:")
        await store.commit(Commit(positions=[again], forgotten=[old]))
        assert sorted(await store.positions(), key=lambda one: one.inode) == [again, other]
        await store.commit(Commit(forgotten=[again, other]))
        assert await store.positions() == []

    async def test_what_rules_have_counted_goes_with_its_commit(self, store: Store) -> None:
        one = MeterRow("pay", "f1", b'{"kind":"new","held":1}', NOW)
        other = MeterRow("half \ud83d", "f1", b'{"kind":"new"}', NOW)
        await store.commit(Commit(meters=[one, other]))
        kept = sorted(await store.meters(), key=lambda row: row.rule, reverse=True)
        assert kept == [one, replace(other, rule="half ?")]
        changed = MeterRow("pay", "f1", b'{"kind":"new","held":2}', NOW + 5)
        await store.commit(Commit(meters=[changed]))
        store = await self.reopen(store)
        assert changed in await store.meters()
        await store.commit(
            Commit(meters=[replace(changed, state=None), replace(other, rule="half ?", state=None)])
        )
        assert await store.meters() == []

    async def test_of_a_refused_commit_nothing_is_counted(self, store: Store) -> None:
        bad = MeterRow("pay", "f1", b"no JSON", NOW)
        with pytest.raises(StoreError):
            await store.commit(Commit(events=[stored(1)], meters=[MeterRow("a", "b", b"{}", NOW), bad]))
        assert await store.meters() == []
        assert await store.events_of(1) == []

    async def test_the_fingerprints_of_a_rule_are_those_of_all_its_alerts(self, store: Store) -> None:
        over = alert(1, fingerprint="f1", rule="pay", state=AlertState.RESOLVED)
        live = alert(2, fingerprint="f1", rule="pay")
        others = alert(3, fingerprint="f2", rule="pay"), alert(4, fingerprint="f3", rule="web")
        await store.commit(Commit(alerts=[over, live, *others]))
        assert sorted(await store.fingerprints(["pay", "none"])) == [("pay", "f1"), ("pay", "f2")]
        assert await store.fingerprints([]) == []

    # -- holds

    async def test_holds_are_kept_replaced_and_over(self, store: Store) -> None:
        one = StoredHold("group-1", "group", {"key": "group-1", "name": "host=\u4e2d"})
        other = StoredHold("storm-2", "storm", {"key": "storm-2", "times": [NOW]})
        await store.commit(Commit(holds=[one, other]))
        assert await store.holds() == [one, other]
        again = StoredHold("group-1", "group", {"key": "group-1", "told": 1})
        await store.commit(Commit(holds=[again], holds_over=["storm-2", "never-there"]))
        store = await self.reopen(store)
        assert await store.holds() == [again]

    async def test_a_hold_is_refused_with_all_that_came_with_it(self, store: Store) -> None:
        with pytest.raises(StoreError):
            await store.commit(Commit(alerts=[alert(1)], holds=[StoredHold("x", "nonsense", {})]))
        assert await store.alert(1) is None
        assert await store.holds() == []

    async def test_a_message_of_a_thread_finds_the_handle_of_the_one_before(self, store: Store) -> None:
        sent = delivery(1, thread="group-1", state=SENDING, lease_until=NOW + 60)
        told = replace(sent, state=DELIVERED, lease_until=0.0, handle="h1")
        await store.commit(Commit(deliveries=[sent]))
        await store.settle([Settlement(delivery=told, attempt=attempt(1))])
        assert await store.handle(0, RTX, "group-1") == "h1"
        assert await store.handle(0, RTX, "group-2") == ""
        assert await store.handle(0, MAIL, "group-1") == ""
        assert await store.handle(1, RTX) == ""

    async def test_a_newer_message_of_a_thread_makes_no_other_stale(self, store: Store) -> None:
        await store.commit(
            Commit(alerts=[alert(1)], deliveries=[delivery(n, alert=1, thread="group-1") for n in (2, 3)])
        )
        assert await store.supersede("rtx", NOW + 1, NOW + 1) == 0

    # -- ids

    async def test_ids_increase_and_never_come_again(self, store: Store) -> None:
        first = store.next_ids(10)
        assert store.next_ids(1) == first + 10
        top = store.next_ids(5) + 4
        await store.commit(Commit(deliveries=[delivery(top, state=CANCELLED)]))
        assert await store.sweep(0.0, 0.0, NOW + 1, 10) == 1
        name = store.id
        store = await self.reopen(store)
        assert store.next_ids(1) > top
        assert store.id == name

    # -- claim

    async def test_claims_are_due_oldest_first_of_one_backend_and_made_once(self, store: Store) -> None:
        await store.commit(
            Commit(
                deliveries=[
                    delivery(1, next_at=NOW - 1),
                    delivery(2, next_at=NOW - 5),
                    delivery(3, next_at=NOW + 5),
                    delivery(4, address=MAIL),
                    delivery(5, next_at=NOW),
                    delivery(6, expires_at=NOW - 9),
                ]
            )
        )
        assert await store.next_due() == {"rtx": NOW - 5, "mail": NOW}
        first = await store.claim("rtx", 2, NOW, NOW + 60)
        assert [one.id for one in first] == [2, 1]
        assert {(one.state, one.lease_until) for one in first} == {(SENDING, NOW + 60)}
        assert [one.id for one in await store.claim("rtx", 9, NOW, NOW + 60)] == [5, 6]
        assert await store.claim("rtx", 9, NOW, NOW + 60) == []
        assert await store.next_due() == {"rtx": NOW + 5, "mail": NOW}

    async def test_two_that_claim_at_once_share_nothing(self, store: Store) -> None:
        await store.commit(Commit(deliveries=[delivery(number) for number in range(1, 101)]))
        parts = await asyncio.gather(*(store.claim("rtx", 30, NOW, NOW + 60) for _ in range(5)))
        assert sorted(one.id for part in parts for one in part) == list(range(1, 101))

    # -- settle

    async def test_outcomes_are_recorded_with_their_attempts(self, store: Store) -> None:
        first, second = await _claimed(store, 2)
        onward = replace(
            second, state=PENDING, lease_until=0.0, address=MAIL, fallbacks=(RTX,), tried=(RTX,), attempts=3,
            next_at=NOW + 7, error="temporary: 500",
        )  # fmt: skip
        tries = [attempt(1), attempt(2, outcome="temporary", code="500", detail="系统繁忙")]
        over = replace(first, state=DELIVERED, lease_until=0.0)
        outcomes = zip([over, onward], tries, strict=True)
        await store.settle([Settlement(delivery=one, attempt=made) for one, made in outcomes])
        assert await store.delivery(1) == (over, [tries[0]])
        assert await store.delivery(2) == (onward, [tries[1]])
        assert await store.next_due() == {"mail": NOW + 7}

    async def test_a_delivery_given_back_has_no_attempt(self, store: Store) -> None:
        [one] = await _claimed(store, 1)
        await store.settle([Settlement(delivery=replace(one, state=PENDING, lease_until=0.0))])
        assert await store.delivery(1) == (replace(one, state=PENDING, lease_until=0.0), [])

    async def test_what_a_service_tells_later_finds_its_deliveries_once(self, store: Store) -> None:
        one, two, other = await _claimed(store, 3)
        over = [
            replace(each, state=DELIVERED, lease_until=0.0, receipt=receipt)
            for each, receipt in ((one, "m1"), (two, "m1"), (other, "m2"))
        ]
        await store.settle([Settlement(delivery=each, attempt=attempt(each.id)) for each in over])
        assert await store.accepted("rtx", "m1") == over[:2]
        assert await store.accepted("rtx", "m3") == await store.accepted("mail", "m1") == []
        onward = replace(over[0], state=PENDING, receipt="", address=MAIL, fallbacks=(), tried=(RTX,))
        told = attempt(1, outcome="rejected", code="user block")
        noted = Settlement(delivery=replace(over[1], receipt=""), attempt=attempt(2, detail="confirmed"))
        changes = [Settlement(delivery=onward, attempt=told), noted]
        assert await store.amend("m1", changes) == [1, 2]
        assert await store.delivery(1) == (onward, [attempt(1), told])
        assert await store.delivery(2) == (noted.delivery, [attempt(2), noted.attempt])
        assert await store.accepted("rtx", "m1") == []
        assert await store.amend("m1", changes) == []  # told again: it is known
        assert await store.delivery(1) == (onward, [attempt(1), told])
        assert await store.delivery(3) == (over[2], [attempt(3)])
        assert (await store.next_due())["mail"] == NOW

    async def test_only_what_is_delivered_under_that_receipt_is_amended(self, store: Store) -> None:
        one, two = await _claimed(store, 2)
        sent = [replace(each, state=DELIVERED, lease_until=0.0, receipt=f"m{each.id}") for each in (one, two)]
        await store.settle([Settlement(delivery=sent[1])])
        changes = [Settlement(delivery=replace(each, state=DEAD, receipt="")) for each in sent]
        assert await store.accepted("rtx", "m1") == []
        assert await store.amend("m1", changes) == []  # the first is on its way, the second is another's
        assert await store.amend("m9", []) == []
        assert await _states(store) == {1: SENDING, 2: DELIVERED}

    async def test_a_receipt_is_forgotten_with_its_delivery(self, store: Store) -> None:
        [one] = await _claimed(store, 1)
        await store.settle(
            [Settlement(delivery=replace(one, state=DELIVERED, lease_until=0.0, receipt="m1"))]
        )
        store = await self.reopen(store)
        assert [each.id for each in await store.accepted("rtx", "m1")] == [1]
        assert await store.sweep(0.0, 0.0, NOW + 1, 10) == 1
        assert await store.accepted("rtx", "m1") == []

    async def test_what_was_decided_meanwhile_stands_and_the_attempt_is_recorded(self, store: Store) -> None:
        [one] = await _claimed(store, 1)
        await store.recover(NOW + 61, all_leases=False)
        await store.drop([1], NOW + 62)
        await store.settle([delivered(one)])
        found = await store.delivery(1)
        assert found is not None
        assert found[0].state is CANCELLED
        assert [made.outcome for made in found[1]] == ["interrupted", "delivered"]

    async def test_attempts_since_a_time_survive_a_restart(self, store: Store) -> None:
        claimed = await _claimed(store, 3)
        tries = [attempt(one.id, started_at=NOW + one.id) for one in claimed]
        await store.settle(
            [
                Settlement(delivery=delivered(one).delivery, attempt=made)
                for one, made in zip(claimed, reversed(tries), strict=True)
            ]
        )
        store = await self.reopen(store)
        since = await store.recent_attempts("rtx", NOW + 2)
        assert [(one.started_at, one.outcome) for one in since] == [
            (NOW + 2, "delivered"),
            (NOW + 3, "delivered"),
        ]
        assert await store.recent_attempts("rtx", NOW + 2, most=1) == since[1:]
        assert await store.recent_attempts("another", 0.0) == []

    # -- recover

    async def test_a_lease_that_ran_out_is_given_back_uncounted(self, store: Store) -> None:
        await store.commit(
            Commit(
                deliveries=[
                    delivery(1, state=SENDING, lease_until=NOW + 10, attempts=2),
                    delivery(2, state=SENDING, lease_until=NOW + 99),
                ]
            )
        )
        assert await store.recover(NOW + 10, all_leases=False) == 1
        assert await _states(store) == {1: PENDING, 2: SENDING}
        found = await store.delivery(1)
        assert found is not None
        assert (found[0].attempts, found[0].next_at) == (2, NOW)
        (tried,) = await store.recent_attempts("rtx", NOW)
        assert (tried.started_at, tried.outcome) == (NOW + 10, "interrupted")

    async def test_at_start_all_that_was_being_sent_is_given_back(self, store: Store) -> None:
        await _claimed(store, 3)
        store = await self.reopen(store)
        assert await store.recover(NOW, all_leases=True) == 3
        assert await store.recover(NOW, all_leases=True) == 0
        assert set((await _states(store)).values()) == {PENDING}

    # -- supersede

    async def test_stale_messages_collapse_to_the_newest_per_alert_and_recipient(self, store: Store) -> None:
        await store.commit(
            Commit(
                alerts=[alert(1), alert(2)],
                deliveries=[
                    delivery(10, alert=1),
                    delivery(11, alert=1),
                    delivery(12, alert=1, recipient="li"),
                    delivery(13, alert=2),
                    delivery(14),
                    delivery(15),
                    delivery(16, alert=1, created_at=NOW + 50),
                    delivery(17, alert=2, address=MAIL, state=DEAD),
                ],
            )
        )
        assert await store.supersede("rtx", NOW + 10, NOW + 60) == 2
        cancelled = await store.deliveries(states=[CANCELLED])
        assert [one.id for one in cancelled] == [11, 10]
        assert {one.error for one in cancelled} == {"superseded by a newer message"}
        assert await store.supersede("rtx", NOW + 10, NOW + 60) == 0

    async def test_a_long_backlog_is_superseded_whole(self, store: Store) -> None:
        await store.commit(
            Commit(alerts=[alert(1)], deliveries=[delivery(n, alert=1) for n in range(1, 2503)])
        )
        assert await store.supersede("rtx", NOW + 1, NOW + 60) == 2501
        assert [one.id for one in await store.claim("rtx", 9, NOW, NOW + 1)] == [2502]

    # -- the outbox desk

    async def test_retry_begins_again_from_the_first_address(self, store: Store) -> None:
        robot = Address("robot", "@all")
        gone = delivery(1, state=DEAD, address=MAIL, fallbacks=(RTX, robot), tried=(RTX, MAIL), attempts=100)
        await store.commit(
            Commit(deliveries=[gone, delivery(2, state=CANCELLED), delivery(3, state=DELIVERED), delivery(4)])
        )
        assert await store.retry([1, 2, 3, 4, 5], NOW + 9, NOW + 99) == 2
        found = await store.delivery(1)
        assert found is not None
        again = found[0]
        assert (again.state, again.address, again.fallbacks, again.tried) == (PENDING, RTX, (MAIL, robot), ())
        assert (again.attempts, again.next_at, again.expires_at) == (0, NOW + 9, NOW + 99)
        assert await _states(store) == {1: PENDING, 2: PENDING, 3: DELIVERED, 4: PENDING}

    async def test_drop_cancels_what_waits_and_leaves_what_is_being_sent(self, store: Store) -> None:
        await store.commit(
            Commit(
                deliveries=[
                    delivery(1),
                    delivery(2, state=DEAD),
                    delivery(3, state=SENDING, lease_until=NOW + 9),
                    delivery(4, state=DELIVERED),
                ]
            )
        )
        assert await store.drop([1, 2, 3, 4, 5], NOW) == 2
        assert await _states(store) == {1: CANCELLED, 2: CANCELLED, 3: SENDING, 4: DELIVERED}

    # -- looking

    async def test_alerts_are_listed_the_latest_touched_first(self, store: Store) -> None:
        made: list[Alert] = [
            alert(1, touched_at=NOW + 1),
            alert(2, touched_at=NOW + 4, state=AlertState.RESOLVED),
            alert(3, touched_at=NOW + 2, state=AlertState.ACKED),
            alert(4, touched_at=NOW + 3),
        ]
        await store.commit(Commit(alerts=made))
        assert [row.alert.id for row in await store.alerts()] == [2, 4, 3, 1]
        assert [row.alert.id for row in await store.alerts(most=2)] == [2, 4]
        assert [row.alert.id for row in await store.alerts(states=["firing"])] == [4, 1]
        assert [row.alert.id for row in await store.alerts(states=["acked", "resolved"])] == [2, 3]

    async def test_deliveries_are_listed_newest_first(self, store: Store) -> None:
        await store.commit(
            Commit(
                alerts=[alert(1)],
                deliveries=[
                    delivery(2, alert=1),
                    delivery(3, alert=1, state=DEAD),
                    delivery(4, state=DEAD),
                    delivery(5, state=DELIVERED),
                    delivery(6, state=SENDING, lease_until=NOW + 1),
                    delivery(7, state=CANCELLED),
                ],
            )
        )
        assert [one.id for one in await store.deliveries()] == [7, 6, 5, 4, 3, 2]
        assert [one.id for one in await store.deliveries(most=2)] == [7, 6]
        for state, ids in {PENDING: [2], SENDING: [6], DELIVERED: [5], DEAD: [4, 3], CANCELLED: [7]}.items():
            assert [one.id for one in await store.deliveries(states=[state])] == ids
        assert [one.id for one in await store.deliveries(alert=1)] == [3, 2]
        assert [one.id for one in await store.deliveries(alert=1, states=[DEAD])] == [3]
        assert [one.id for one in await store.deliveries(alert=0, states=[DEAD, DELIVERED])] == [5, 4]

    async def test_counts_say_what_is_there(self, store: Store) -> None:
        await store.commit(
            Commit(
                events=[stored(1), stored(1), stored()],
                alerts=[alert(1), alert(2, state=AlertState.RESOLVED), alert(3, state=AlertState.ACKED)],
                deliveries=[
                    delivery(10),
                    delivery(11),
                    delivery(12, address=MAIL, state=DEAD),
                    delivery(13, address=MAIL, state=DELIVERED),
                ],
            )
        )
        counts = await store.counts()
        assert counts["deliveries"] == {"rtx": {"pending": 2}, "mail": {"dead": 1, "delivered": 1}}
        assert counts["alerts"] == {"firing": 1, "acked": 1, "resolved": 1}
        assert counts["events"] == 3
        assert counts["bytes"] > 0

    # -- retention

    async def test_sweep_deletes_what_is_over_and_nothing_else(self, store: Store) -> None:
        old, new = NOW - 100, NOW
        await store.commit(
            Commit(
                events=[stored(1, received_at=old), stored(1, received_at=new)],
                alerts=[
                    alert(1, touched_at=old),
                    alert(2, touched_at=old, state=AlertState.RESOLVED),
                    alert(3, touched_at=old, state=AlertState.RESOLVED),
                    alert(4, touched_at=new, state=AlertState.RESOLVED),
                ],
                deliveries=[
                    delivery(10, created_at=old, state=DELIVERED),
                    delivery(11, created_at=old, state=CANCELLED, alert=2),
                    delivery(12, created_at=old, state=DEAD, alert=3),
                    delivery(13, created_at=old),
                    delivery(14, created_at=new, state=DELIVERED),
                ],
            )
        )
        assert await store.sweep(NOW - 50, NOW - 50, NOW - 50, 1000) == 4
        assert await store.sweep(NOW - 50, NOW - 50, NOW - 50, 1000) == 0
        assert len(await store.events_of(1)) == 1
        assert sorted(row.alert.id for row in await store.alerts()) == [1, 3, 4]
        assert sorted(await _states(store)) == [12, 13, 14]

    async def test_sweep_takes_attempts_with_their_delivery(self, store: Store) -> None:
        [one] = await _claimed(store, 1)
        await store.settle([delivered(one)])
        assert await store.sweep(0.0, 0.0, NOW + 1, 10) == 1
        assert await store.recent_attempts("rtx", 0.0) == []

    async def test_sweep_keeps_the_latest_of_too_many_events_a_slice_at_a_time(self, store: Store) -> None:
        await store.commit(Commit(events=[stored(1, id=str(number), program="p") for number in range(2500)]))
        slices = []
        while deleted := await store.sweep(0.0, 0.0, 0.0, 100):
            slices.append(deleted)
        assert sum(slices) == 2400
        assert max(slices) <= 1000
        assert (await store.counts())["events"] == 100
        assert await store.recent_ids(0.0, 1) == [("p", "2499")]

    # -- the end

    async def test_what_was_committed_survives_a_restart(self, store: Store) -> None:
        await store.commit(
            Commit(events=[stored(1)], alerts=[alert(1)], deliveries=[delivery(2)], positions=[position()])
        )
        store = await self.reopen(store)
        assert await store.live_alerts() == [alert(1)]
        assert await store.positions() == [position()]
        assert [one.id for one in await store.claim("rtx", 1, NOW, NOW + 1)] == [2]

    async def test_a_closed_store_says_so(self, store: Store) -> None:
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await store.commit(Commit(events=[stored()]))
        with pytest.raises(StoreError, match="closed"):
            await store.positions()


async def _claimed(store: Store, count: int) -> list[Delivery]:
    await store.commit(Commit(deliveries=[delivery(number) for number in range(1, count + 1)]))
    return await store.claim("rtx", count, NOW, NOW + 60)


async def _states(store: Store) -> dict[int, DeliveryState]:
    return {one.id: one.state for one in await store.deliveries()}
