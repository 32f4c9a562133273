"""The rules of the vendors' queue as queries that find what breaks them: read by the benchmark and by the tests."""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.queue import MAX_ATTEMPTS

INVARIANTS: dict[str, str] = {
    "a task goes from state to state without a gap, so it never has two live assignments": """
        SELECT object_id, from_state, expected FROM (
            SELECT object_id, from_state,
                   lag(to_state, 1, 'ready') OVER (PARTITION BY object_id ORDER BY seq) AS expected
            FROM labelrounds.events WHERE kind = 'task') e
        WHERE from_state IS DISTINCT FROM expected""",
    "every assignment is one event of leasing": """
        SELECT t.task_id, t.attempts, a.n, e.n FROM labelrounds.tasks t
        LEFT JOIN (SELECT task_id, count(*) AS n, max(epoch) AS last FROM labelrounds.assignments GROUP BY 1) a
               USING (task_id)
        LEFT JOIN (SELECT object_id, count(*) AS n FROM labelrounds.events
                   WHERE kind = 'task' AND to_state = 'leased' GROUP BY 1) e ON e.object_id = t.task_id
        WHERE t.attempts <> coalesce(a.n, 0) OR t.attempts <> coalesce(e.n, 0) OR t.attempts <> coalesce(a.last, 0)""",
    "the events end where the rows are": """
        SELECT x.kind, x.id, x.state, e.to_state FROM (
            SELECT 'task' AS kind, task_id AS id, state::text FROM labelrounds.tasks UNION ALL
            SELECT 'item', batch_item_id, state::text FROM labelrounds.batch_items UNION ALL
            SELECT 'round', round_id, state::text FROM labelrounds.rounds) x
        LEFT JOIN (SELECT DISTINCT ON (kind, object_id) kind, object_id, to_state FROM labelrounds.events
                   ORDER BY kind, object_id, seq DESC) e ON e.kind = x.kind AND e.object_id = x.id
        WHERE x.state <> coalesce(e.to_state, CASE x.kind WHEN 'task' THEN 'ready' WHEN 'item' THEN 'open' END)""",
    "a filled task has one counted answer, that of the assignment it names": """
        SELECT t.task_id, t.state, n FROM labelrounds.tasks t
        LEFT JOIN (SELECT task_id, count(*) AS n, min(assignment_id::text) AS by, min(vendor_id) AS vendor
                   FROM labelrounds.annotations WHERE disposition <> 'surplus' AND revision = 1 GROUP BY 1) a
               USING (task_id)
        WHERE (t.state IN ('filled', 'void')) <> (coalesce(n, 0) = 1)
           OR (t.state IN ('filled', 'void') AND (a.by <> t.assignment_id::text OR a.vendor <> t.vendor_id))""",
    "no vendor, or no person where people count, counts twice on an item": """
        SELECT a.batch_item_id, a.vendor_id FROM labelrounds.current_annotations a WHERE a.disposition <> 'surplus'
        GROUP BY 1, 2, CASE WHEN a.exclusive THEN '' ELSE a.annotator END HAVING count(*) > 1""",
    "revisions of an answer follow each other": """
        SELECT assignment_id FROM labelrounds.annotations GROUP BY 1
        HAVING count(*) <> max(revision) OR count(DISTINCT client_annotation_id) > 1
            OR count(DISTINCT disposition) > 1""",
    "a refused answer is a void task's": """
        SELECT t.task_id FROM labelrounds.tasks t FULL JOIN labelrounds.refusals f USING (assignment_id)
        WHERE (t.state = 'void') IS DISTINCT FROM (f.assignment_id IS NOT NULL)
          AND (t.state = 'void' OR t.task_id IS NULL)""",
    "an answer is its assignment's vendor's": """
        SELECT annotation_id FROM labelrounds.annotations n JOIN labelrounds.assignments a USING (assignment_id)
        WHERE n.vendor_id <> a.vendor_id OR n.task_id <> a.task_id OR n.batch_item_id <> a.batch_item_id""",
    "an item's count and state follow from its tasks": """
        SELECT i.batch_item_id, i.state, i.n_filled, t.* FROM labelrounds.batch_items i
        JOIN (SELECT batch_item_id, count(*) FILTER (WHERE state <> 'void') AS n,
                     count(*) FILTER (WHERE state = 'filled') AS filled,
                     count(*) FILTER (WHERE state IN ('ready', 'leased', 'dead')) AS live
              FROM labelrounds.tasks GROUP BY 1) t USING (batch_item_id)
        WHERE i.n_filled <> t.filled OR i.n_need > t.n OR (i.state = 'open' AND i.n_need <> t.filled + t.live)
           OR CASE i.state WHEN 'open' THEN t.live = 0
                           WHEN 'complete' THEN t.live > 0 OR t.filled = 0
                           ELSE t.live > 0 OR t.filled > 0 END""",
    "seen holds whoever holds or has answered": """
        SELECT t.batch_item_id, t.vendor_id FROM labelrounds.tasks t
        WHERE t.state IN ('leased', 'filled') AND t.exclusive AND NOT EXISTS (
            SELECT 1 FROM labelrounds.seen s WHERE s.batch_item_id = t.batch_item_id AND s.vendor_id = t.vendor_id)
        UNION ALL
        SELECT s.batch_item_id, s.vendor_id FROM labelrounds.seen s WHERE NOT EXISTS (
            SELECT 1 FROM labelrounds.tasks t WHERE t.batch_item_id = s.batch_item_id AND t.vendor_id = s.vendor_id
              AND t.state IN ('leased', 'filled', 'cancelled'))""",
    "each task's money is reserved once, and then held, owed or given back": """
        SELECT t.task_id, t.state, l.* FROM labelrounds.tasks t
        LEFT JOIN (SELECT task_id,
                          sum(amount_micro) FILTER (WHERE kind = 'reserve') AS reserve,
                          coalesce(sum(amount_micro) FILTER (WHERE kind = 'settle'), 0) AS settle,
                          coalesce(sum(amount_micro) FILTER (WHERE kind = 'release'), 0) AS release,
                          coalesce(sum(amount_micro) FILTER (WHERE kind = 'refund'), 0) AS refund
                   FROM labelrounds.ledger GROUP BY 1) l USING (task_id)
        LEFT JOIN labelrounds.assignments a ON a.assignment_id = t.assignment_id AND t.state IN ('filled', 'void')
        LEFT JOIN labelrounds.refusals f ON f.assignment_id = t.assignment_id AND t.state = 'void'
        WHERE l.reserve IS DISTINCT FROM t.price_micro
           OR l.settle <> coalesce(a.price_micro, 0)
           OR l.refund <> CASE WHEN f.refunded THEN l.settle ELSE 0 END
           OR l.settle + l.release
              <> CASE WHEN t.state IN ('filled', 'void', 'cancelled') THEN t.price_micro ELSE 0 END""",
    "owed is owed to whoever answered": """
        SELECT entry_id FROM labelrounds.ledger l LEFT JOIN labelrounds.annotations a
          ON a.task_id = l.task_id AND a.vendor_id = l.vendor_id AND a.disposition <> 'surplus'
        WHERE l.kind = 'settle' AND a.annotation_id IS NULL""",
    "no balance is negative": """
        SELECT * FROM labelrounds.balances WHERE held_micro < 0 OR spent_micro < 0""",
    "no money is held in a round that is over": """
        SELECT t.task_id, t.state FROM labelrounds.tasks t JOIN labelrounds.rounds r USING (round_id)
        WHERE r.state IN ('closed', 'stopped', 'failed') AND t.state IN ('ready', 'leased', 'dead')""",
    "the price of an assignment is that of its terms, and at most what is held": """
        SELECT a.assignment_id FROM labelrounds.assignments a
        JOIN labelrounds.terms x USING (terms_id) JOIN labelrounds.tasks t ON t.task_id = a.task_id
        WHERE a.price_micro <> least(x.price_micro, t.price_micro)
           OR x.vendor_id <> a.vendor_id OR x.campaign_id <> t.campaign_id""",
    "no vendor holds more than it may": """
        SELECT v.name, count(*) FROM labelrounds.tasks t JOIN labelrounds.vendors v USING (vendor_id)
        WHERE t.state = 'leased' GROUP BY v.vendor_id HAVING count(*) > v.max_open""",
    "no task is leased more often than is allowed": f"""
        SELECT task_id FROM labelrounds.tasks WHERE lapses > {MAX_ATTEMPTS}""",
    "claims begin below every task that is free or may become so": """
        SELECT t.task_id FROM labelrounds.tasks t JOIN labelrounds.rounds r USING (round_id)
        WHERE t.state IN ('ready', 'leased', 'dead') AND r.state = 'published' AND t.pick_key < r.pick_low""",
    "what vendors were told is what is stored": """
        SELECT coalesce(s.vendor_id, k.vendor_id) FROM (
            SELECT s.vendor_id,
                   count(*) FILTER (WHERE r ->> 'result'
                       IN ('accepted', 'late_accepted', 'surplus', 'corrected')) AS kept,
                   count(*) FILTER (WHERE r ->> 'result' = 'rejected') AS refused
            FROM labelrounds.submissions s, jsonb_array_elements(s.response -> 'rows') r GROUP BY 1) s
        FULL JOIN (
            SELECT v.vendor_id,
                   (SELECT count(*) FROM labelrounds.annotations a WHERE a.vendor_id = v.vendor_id) AS kept,
                   (SELECT count(*) FROM labelrounds.rejects r WHERE r.vendor_id = v.vendor_id) AS refused
            FROM labelrounds.vendors v) k USING (vendor_id)
        WHERE coalesce(s.kept, 0) <> k.kept OR coalesce(s.refused, 0) <> k.refused""",
    "no task has two assignments at once": """
        SELECT object_id, seq FROM (
            SELECT object_id, seq, to_state,
                   lag(to_state) OVER (PARTITION BY object_id ORDER BY seq) AS before
            FROM labelrounds.events WHERE kind = 'task') e
        WHERE to_state = 'leased' AND before IN ('leased', 'filled', 'cancelled', 'void')""",
    "what was released is not what was refused": """
        SELECT task_id FROM labelrounds.ledger GROUP BY 1
        HAVING count(*) FILTER (WHERE kind = 'release') > 0 AND count(*) FILTER (WHERE kind::text = 'refund') > 0
           AND sum(amount_micro) FILTER (WHERE kind IN ('settle', 'release'))
               > sum(amount_micro) FILTER (WHERE kind = 'reserve')""",
}  # fmt: skip
"""Rule -> query that gives a row for each place where it is broken."""


def broken_rules(engine: sa.Engine) -> dict[str, int]:
    """Look everything up, and give the rules that are broken with the number of places."""
    with engine.connect() as connection:
        found = {rule: len(connection.execute(sa.text(query)).all()) for rule, query in INVARIANTS.items()}
    return {rule: places for rule, places in found.items() if places}
