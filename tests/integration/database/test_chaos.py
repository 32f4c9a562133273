"""Eight vendors in processes of their own, killed, late, forgetful and hasty, while the sweep runs beside."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

from infra.database import queue, rounds, vendors

WORKER = Path(__file__).with_name("vendor_process.py")
VENDORS = {f"vendor-{n}": 10 - n % 3 for n in range(8)}
ITEMS, OVERLAP, SECONDS = 2_000, 3, 180


class Crew:
    """The vendors' processes; one that is killed is followed by another."""

    def __init__(self, desk, folder):
        self.urls = {name: vendors.give_login(desk.engine, name) for name in VENDORS}
        self.folder, self.stop, self.started = folder, folder / "stop", 0
        self.processes = {name: self.start(name) for name in VENDORS}

    def start(self, name):
        self.started += 1
        said = (self.folder / f"{name}-{self.started}.err").open("w")
        with said:
            return subprocess.Popen(
                [sys.executable, WORKER, self.urls[name], str(self.started),
                 self.folder / f"{name}-{self.started}.jsonl", self.stop], stderr=said,
            )  # fmt: skip

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()
        self.processes[name] = self.start(name)

    def end(self):
        self.stop.touch()
        return [process.wait(timeout=30) for process in self.processes.values()]

    def said(self):
        return "".join(path.read_text() for path in self.folder.glob("*.err"))

    def acknowledged(self):
        lines = [
            line
            for path in self.folder.glob("*.jsonl")
            for line in path.read_text().splitlines(keepends=True)
        ]
        # The last line of one that was killed may be half a line.
        return [json.loads(line) for line in lines if line.endswith("\n")]


def test_nothing_is_lost_and_nothing_is_done_twice(desk, tmp_path, record_testsuite_property):
    campaign = desk.campaign(vendors=VENDORS, lease_seconds=1, overlap=OVERLAP)
    round_ = desk.publish(campaign, ITEMS, overlap=OVERLAP, price=10)
    rng = random.Random(5)
    crew = Crew(desk, tmp_path)
    begun, kills = time.monotonic(), 0
    try:
        while desk.states("batch_items", round_) != {"complete": ITEMS}:
            queue.expire(desk.engine)
            if time.monotonic() - begun > 3 and kills < 8 and rng.random() < 0.3:
                crew.kill(rng.choice(sorted(VENDORS)))
                kills += 1
            assert time.monotonic() - begun < SECONDS, crew.said() or desk.states("tasks", round_)
            time.sleep(0.25)
    finally:
        codes = crew.end()
    seconds = time.monotonic() - begun
    assert crew.said() == ""
    assert codes == [0] * len(VENDORS)
    desk.check()

    stored = {str(assignment): (label, disposition) for assignment, label, disposition in desk.run(
        "SELECT assignment_id, label, disposition::text FROM labelrounds.annotations")}  # fmt: skip
    for assignment, label, status in crew.acknowledged():
        assert assignment in stored
        assert stored[assignment][0] == label
        assert status in (stored[assignment][1], "duplicate")
    counted = sum(disposition != "surplus" for _, disposition in stored.values())
    assert counted == ITEMS * OVERLAP
    assert desk.states("tasks", round_) == {"filled": ITEMS * OVERLAP}
    ((spent, held),) = desk.run("SELECT spent_micro, held_micro FROM labelrounds.balances")
    paid = sum(vendor["earned_micro"].get("USD", 0) for vendor in vendors.list_vendors(desk.engine))
    assert (spent, held) == (paid, 0)
    assert queue.withdraw_overdue(desk.engine, rounds.find(desk.engine, round_.round_id), 1.0)
    record_testsuite_property(
        "chaos", f"{counted / seconds:.0f} answers/s, {kills} kills, {len(stored) - counted} surplus"
    )
