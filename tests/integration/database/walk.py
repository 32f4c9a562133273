"""Random walks of likely steps over the bench."""

from tests.integration.database.bench import ANSWERS, VENDORS


def random_step(bench, rng):
    """One likely step of a queue in use."""
    pick, vendor, side = rng.choice, rng.choice(VENDORS), rng.choice(bench.sides)
    leased = [task for task in bench.model.tasks if task.state == "leased"]
    known = bench.items_of(side)
    names = rng.sample(known, min(2, len(known)))
    if side.round is None:
        bench.publish(side, rng.randint(2, 5), 3, rng.choice([1, 2, 2, 3]), rng.randint(0, 2))
        return
    what = rng.choices(
        ["lease", "submit", "lapse", "expire", "repeat", "extend", "release", "correct", "suspend", "cancel",
         "rework", "further", "terms", "revive", "close"],
        [8, 9, 3, 3, 3, 2, 2, 3, 0.8, 0.5, 1.8, 2.2, 0.5, 0.5, 0.6],
    )[0]  # fmt: skip
    if what == "lease":
        bench.lease(vendor, rng.randint(1, 4))
    elif what == "submit":
        waiting = [claim.vendor for claim in bench.model.claims.values() if not claim.revisions]
        vendor = rng.choice([vendor, *waiting[-6:]])
        bench.submit(vendor, bench.rows(pick, vendor, rng.randint(1, 5)))
    elif what == "lapse" and leased:
        bench.lapse(rng.sample(leased, rng.randint(1, len(leased))))
    elif what == "expire":
        bench.expire()
    elif what == "repeat" and bench.calls:
        bench.repeat(pick)
    elif what in ("extend", "release") and bench.leases:
        vendor, lease = rng.choice(bench.leases[-6:])
        held = [claim.assignment for claim in bench.model.open_of(lease)]
        if what == "extend":
            bench.extend(vendor, lease)
        else:
            bench.release(vendor, lease, rng.choice([None, held[:1] or None]))
    elif what == "correct":
        answered = [claim for claim in bench.model.claims.values() if claim.revisions]
        if answered:
            claim = rng.choice(answered[-12:])
            base = rng.choice([len(claim.revisions), len(claim.revisions), 1, 9])
            whose = rng.choice([claim.vendor, claim.vendor, vendor])
            bench.correct(whose, claim.client, base, rng.choice(ANSWERS[:4]))
    elif what == "suspend":
        bench.suspend(vendor)
    elif what == "cancel":
        bench.cancel(side, names[:1])
    elif what == "rework":
        filled = [task.vendor for task in bench.model.tasks if task.state == "filled"]
        bench.rework(side, rng.choice(filled or [vendor]), known, rng.random() < 0.5)
    elif what == "further":
        bench.further(side, rng.sample(known, len(known)))
    elif what == "terms":
        bench.change_terms(side, vendor)
    elif what == "revive":
        bench.revive(side)
    elif what == "close":
        bench.close(side, rng.choice([0.5, 1.0]))
