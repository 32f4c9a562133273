"""What money was spent on, prices in several currencies, and rounds that are closed while somebody asks on."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flows.money.figures import figures
from infra.database import campaigns, money, operations, queue, rounds, vendors
from infra.database.batches import Seat
from infra.database.campaigns import Offer
from infra.database.operations import Further
from infra.database.statements import statements
from tasks.errors import NotFound, RoundBusy, UsageError

EUR = Offer("bolt", 11, 60, own_micro=10, currency="EUR", rate=Decimal("1.08"))
TWO = [Offer("acme", 10, 60), EUR]


def registered(desk, offers, **changed):
    row = desk.campaign(vendors={one.vendor: 1 for one in offers})
    return campaigns.register(desk.engine, "spam", row.spec | changed, "d", offers)


def answered(desk, vendor, tasks=100):
    client = desk.client(vendor)
    return client.answer(client.lease(tasks))


def close(desk, round_):
    desk.let_due(round_)
    assert queue.withdraw_overdue(desk.engine, round_, 1.0)
    rounds.store(desk.engine, rounds.find(desk.engine, round_.round_id), "closed")


class TestTerms:
    def test_what_is_leased_keeps_its_price_when_price_and_rate_change(self, desk):
        row = registered(desk, TWO)
        desk.publish(row, 6, price=11)
        bolt = desk.client("bolt")
        first = bolt.lease(2)
        registered(desk, [TWO[0], replace(EUR, price_micro=10, own_micro=8, rate=Decimal("1.25"))])
        second = bolt.lease(2)
        # Dearer than what is held: paid is what is held, and of the own amount that part.
        registered(desk, [TWO[0], replace(EUR, price_micro=40, own_micro=20, rate=Decimal(2))])
        third = bolt.lease(1)
        assert bolt.answer([*third, *second, *first]) == ["accepted"] * 5
        owed = [(one.price_micro, one.rate, one.answers, one.own_micro, one.spent_micro)
                for one in money.owed(desk.engine, row.campaign_id)]  # fmt: skip
        assert owed == [(8, Decimal("1.25"), 2, 16, 20), (10, Decimal("1.08"), 2, 20, 22), (20, 2, 1, 5, 11)]
        assert campaigns.balance(desk.engine, row.campaign_id).spent_micro == 53
        (told,) = [one["earned_micro"] for one in vendors.list_vendors(desk.engine) if one["name"] == "bolt"]
        assert told == {"EUR": 41}
        report = bolt.call("report")
        assert (report["earned"], report["earnings"]) == (4.1e-05, {"EUR": 4.1e-05})

    def test_a_vendor_with_two_currencies_has_no_single_sum(self, desk):
        desk.publish(registered(desk, [EUR]), 1, price=11)
        desk.publish(desk.campaign("eggs", vendors={"bolt": 7}), 1)
        bolt = desk.client("bolt")
        assert bolt.answer(bolt.lease()) == ["accepted"] * 2
        report = bolt.call("report")
        assert (report["earned"], report["earnings"]) == (None, {"EUR": 1e-05, "USD": 7e-06})

    def test_the_same_terms_are_written_down_once(self, desk):
        for _ in range(3):
            row = registered(desk, TWO)
        assert desk.one("SELECT count(*) FROM labelrounds.terms WHERE own_micro = 10") == 2
        assert [one.price_micro for one in vendors.vendors_of(desk.engine, row.campaign_id)] == [10, 11]

    def test_the_currency_is_fixed_once_a_round_was_opened(self, desk):
        row = desk.campaign()
        other = row.spec | {"budget": row.spec["budget"] | {"currency": "EUR"}}
        row = campaigns.register(desk.engine, "spam", other, "d", TWO)
        desk.publish(row, 1)
        with pytest.raises(UsageError, match="currency in earlier rounds: EUR; now: USD; amounts"):
            registered(desk, TWO, budget=other["budget"] | {"currency": "USD"})


class TestResume:
    def stopped(self, desk):
        row = desk.campaign()
        rounds.end(desk.engine, desk.scored(row), "stopped", "the plateau")
        return row

    def test_a_stop_is_lifted_for_some_rounds(self, desk):
        self.stopped(desk)
        row = campaigns.resume(desk.engine, "spam", 2)
        assert (row.stop_reason, row.resume_until) == (None, 3)
        desk.publish(row, 1)
        assert campaigns.resume(desk.engine, "spam", 1).resume_until == 3

    def test_what_cannot_be_resumed(self, desk):
        with pytest.raises(NotFound, match="campaign spam has no rounds"):
            campaigns.resume(desk.engine, "spam", 1)
        self.stopped(desk)
        with pytest.raises(UsageError, match="1 round or more, not 0"):
            campaigns.resume(desk.engine, "spam", 0)
        assert campaigns.find(desk.engine, "spam").stop_reason == "the plateau"

    def test_a_key_that_an_older_version_did_not_know_lifts_no_stop(self, desk):
        row = self.stopped(desk)
        old = {key: value for key, value in row.spec["budget"].items() if key != "exchange"}
        stop = {"target": None, "plateau": None, "max_rounds": None}
        spec = json.dumps(row.spec | {"budget": old, "stop": stop})
        desk.run("UPDATE labelrounds.campaigns SET spec = :spec", spec=spec)
        assert registered(desk, TWO).stop_reason == "the plateau"
        more = row.spec["budget"] | {"exchange": {"EUR": "1.2"}}
        assert (
            campaigns.register(desk.engine, "spam", row.spec | {"budget": more}, "d", TWO).stop_reason is None
        )

    @pytest.mark.parametrize("changed", [{"max_rounds": 9}, {"combine": "all"}, {"target": {"value": 0.9}}])
    def test_other_stop_rules_lift_it(self, desk, changed):
        row = self.stopped(desk)
        assert registered(desk, TWO, stop=row.spec["stop"] | changed).stop_reason is None


class TestClosing:
    """Between the last answer and the end of a round somebody may ask on: then the round is not over."""

    def refuse(self, desk, row):
        return operations.rework(desk.engine, row.campaign_id, "acme", None, "no", refund=False, price_micro=10,
                                 money_micro=None)  # fmt: skip

    def test_a_round_that_was_asked_on_is_not_closed(self, desk):
        row = desk.campaign()
        round_ = desk.publish(row, 2)
        answered(desk, "acme")
        assert queue.withdraw_overdue(desk.engine, round_, 1.0)
        assert len(self.refuse(desk, row)) == 2
        with pytest.raises(RoundBusy):
            rounds.store(desk.engine, round_, "closed")
        answered(desk, "acme")
        assert queue.withdraw_overdue(desk.engine, round_, 1.0)
        rounds.store(desk.engine, round_, "closed")
        with pytest.raises(NotFound):
            self.refuse(desk, row)
        item = desk.one("SELECT min(batch_item_id) FROM labelrounds.batch_items")
        assert operations.ask_further(desk.engine, row.campaign_id, [Further(item)], 10, None) == 0
        assert campaigns.balance(desk.engine, row.campaign_id) == campaigns.Balance(2, 40, 0)

    def test_at_the_same_moment(self, desk):
        row = desk.campaign()
        round_ = desk.publish(row, 2)
        answered(desk, "acme")
        sql, said = statements("operations"), []
        item = desk.one("SELECT min(batch_item_id) FROM labelrounds.batch_items")

        def end():
            try:
                rounds.store(desk.engine, round_, "closed")
            except RoundBusy:
                said.append("busy")

        with desk.engine.begin() as connection:
            connection.execute(sql["lock_open_round"], {"campaign_id": row.campaign_id})
            ending = threading.Thread(target=end)
            ending.start()
            desk.until("SELECT count(*) FROM pg_locks WHERE NOT granted")
            connection.execute(sql["add_tasks"], {"items": [item], "eligible": [None], "capable": [None],
                                                  "price_micro": 10})  # fmt: skip
            connection.execute(sql["want_more"], {"items": [item]})
        ending.join()
        assert said == ["busy"]
        assert rounds.find(desk.engine, round_.round_id).state == "published"


class TestFigures:
    """Two rounds: overlap 2 with an audit item and gold for acme; then one answer each, of which one is refused."""

    @pytest.fixture
    def campaign(self, desk):
        more = {"budget": {"labels": 900, "money": "0.0003", "currency": "USD", "exchange": {"EUR": "1.08"}}}
        row = registered(desk, TWO, **more)
        acme = desk.vendor_id("acme")
        picks = desk.picks(["a", "b", "c"], [Seat(11)] * 2)
        picks[0] = replace(picks[0], kind="audit", inclusion_probability=0.5)
        (gold,) = desk.picks(["g"], [Seat(10, (acme,), (acme,))])
        round_ = desk.publish_picks(row, [*picks, replace(gold, kind="gold", expected="ham")])
        assert answered(desk, "acme") == ["accepted"] * 4
        assert answered(desk, "bolt", 2) == ["accepted"] * 2
        close(desk, round_)
        desk.publish(row, ["d", "e"], price=11)
        assert answered(desk, "acme", 1) == ["accepted"]
        operations.rework(desk.engine, row.campaign_id, "acme", None, "no", refund=True, price_micro=11,
                          money_micro=300)  # fmt: skip
        assert answered(desk, "bolt", 1) == ["accepted"]
        return row

    def test_what_was_paid_for_what(self, desk, campaign):
        rows = money.spent(desk.engine, campaign.campaign_id)
        found = {(one.round, one.kind, one.further): (one.answers, one.spent_micro) for one in rows}
        assert sum(one.spent_micro for one in rows) == campaigns.find(desk.engine, "spam").spent_micro == 73
        assert found[1, "gold", False] == (1, 10)
        assert (
            sum(answers for (number, kind, _), (answers, _) in found.items() if (number, kind) != (1, "gold"))
            == 6
        )
        assert sum(answers for (_, _, more), (answers, _) in found.items() if more) == 2
        assert {one.kind for one in rows if one.round == 2} == {"work"}
        assert [(one.round, one.answers, one.spent_micro) for one in rows if one.round == 2] == [(2, 1, 11)]

    def test_the_burn_down_ends_at_the_balance(self, desk, campaign):
        balance = campaigns.balance(desk.engine, campaign.campaign_id)
        by_day = money.burn_by_day(desk.engine, campaign.campaign_id)
        by_round = money.burn_by_round(desk.engine, campaign.campaign_id)
        assert [one.round for one in by_round] == [1, 2]
        assert (by_round[0].spent_micro, by_round[0].held_micro) == (62, 0)
        for last in (by_day[-1], by_round[-1]):
            assert (last.round, last.spent_micro, last.held_micro) == (
                2,
                balance.spent_micro,
                balance.held_micro,
            )
        assert by_day[-1].day == datetime.now(UTC).date()

    def test_the_document(self, desk, campaign):
        found = figures(desk.engine, campaigns.find(desk.engine, "spam"), datetime.now(UTC).date())
        assert json.loads(json.dumps(found)) == found
        assert found["budget"] == pytest.approx(found["spent"] + found["held"] + found["left"])
        assert sum(part["spent"] for part in found["by_kind"].values()) == pytest.approx(found["spent"])
        assert sum(part["share"] for part in found["by_kind"].values()) == pytest.approx(1)
        assert sum(row["spent"] for row in found["by_round"]) == pytest.approx(found["spent"])
        assert sum(row["spent"] for row in found["by_vendor"]) == pytest.approx(found["spent"])
        acme, bolt = found["by_vendor"]
        assert acme["cost_per_correct_answer"]["source"] == "gold"
        assert acme["cost_per_correct_answer"]["value"] == pytest.approx(1e-5)
        assert bolt["cost_per_correct_answer"] is None
        assert [(one["currency"], one["amount"]) for one in bolt["owed"]] == [("EUR", 3e-5)]
