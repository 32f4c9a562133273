-- name: pause
UPDATE labelrounds.campaigns SET paused_at = clock_timestamp(), pause_reason = :reason
WHERE campaign_id = :campaign_id AND paused_at IS NULL

-- name: resume
UPDATE labelrounds.campaigns SET paused_at = NULL, pause_reason = NULL
WHERE campaign_id = :campaign_id AND paused_at IS NOT NULL

-- name: show
-- Tasks of the campaign's open round by state, and how long the oldest has waited.
SELECT CAST(t.state AS text) AS state, v.name AS vendor, count(*) AS tasks, min(t.expires_at) AS next_deadline
FROM labelrounds.tasks t JOIN labelrounds.rounds r USING (round_id)
LEFT JOIN labelrounds.vendors v ON v.vendor_id = t.vendor_id
WHERE r.campaign_id = :campaign_id AND r.state = 'published'
GROUP BY 1, 2 ORDER BY 1, 2

-- name: dead_letters
SELECT i.item_id, t.task_id, t.lapses FROM labelrounds.tasks t
JOIN labelrounds.batch_items i USING (batch_item_id) JOIN labelrounds.rounds r ON r.round_id = t.round_id
WHERE r.campaign_id = :campaign_id AND r.state = 'published' AND t.state = 'dead' ORDER BY t.task_id

-- name: revive
-- A task that a late answer fills at this moment is passed over.
WITH dead AS MATERIALIZED (
    SELECT t.task_id FROM labelrounds.tasks t JOIN labelrounds.rounds r USING (round_id)
    WHERE r.campaign_id = :campaign_id AND r.state = 'published' AND t.state = 'dead'
    ORDER BY t.task_id FOR NO KEY UPDATE OF t SKIP LOCKED)
UPDATE labelrounds.tasks t SET state = 'ready', lapses = 0 FROM dead d WHERE t.task_id = d.task_id

-- name: open_items_named
SELECT i.batch_item_id FROM labelrounds.batch_items i JOIN labelrounds.rounds r USING (round_id)
WHERE r.campaign_id = :campaign_id AND r.state = 'published' AND i.state = 'open'
  AND (:everything OR i.item_id = ANY (:item_ids))
ORDER BY i.batch_item_id FOR NO KEY UPDATE OF i SKIP LOCKED

-- name: reroute
-- Free tasks that waited too long for the vendors they were meant for go to all who are able. What a vendor's call
-- holds at this moment is passed over.
WITH late AS MATERIALIZED (
    SELECT t.task_id FROM labelrounds.tasks t
    JOIN labelrounds.batch_items i USING (batch_item_id) JOIN labelrounds.rounds r ON r.round_id = t.round_id
    WHERE r.campaign_id = :campaign_id AND r.state = 'published' AND t.state = 'ready' AND i.kind <> 'gold'
      AND t.eligible IS DISTINCT FROM t.capable
      AND r.published_at < clock_timestamp() - make_interval(secs => :seconds)
    ORDER BY t.task_id FOR NO KEY UPDATE OF t SKIP LOCKED)
UPDATE labelrounds.tasks t SET eligible = t.capable FROM late l WHERE t.task_id = l.task_id

-- name: lock_open_round
-- It cannot be closed while this is held: what is asked for in it will be answered, or released when it is.
SELECT round_id FROM labelrounds.rounds WHERE campaign_id = :campaign_id AND state = 'published' FOR NO KEY UPDATE

-- name: lock_items
SELECT batch_item_id, round_id, campaign_id, n_need FROM labelrounds.batch_items
WHERE batch_item_id = ANY (CAST(:items AS bigint[])) AND round_id = :round_id AND state IN ('open', 'complete')
ORDER BY batch_item_id FOR NO KEY UPDATE

-- name: lock_tasks_of
SELECT task_id FROM labelrounds.tasks WHERE batch_item_id = ANY (CAST(:items AS bigint[])) ORDER BY task_id FOR NO KEY UPDATE

-- name: filled_by
-- Tasks of the campaign whose answers are named by item and vendor, while their round is still open. Gold is asked again
-- of whom it was made for, other items of anybody.
SELECT t.task_id, t.batch_item_id, t.vendor_id, t.assignment_id, i.item_id,
       CASE WHEN i.kind = 'gold' THEN t.eligible END AS eligible,
       CASE WHEN i.kind = 'gold' THEN t.capable END AS capable
FROM labelrounds.tasks t
JOIN labelrounds.batch_items i USING (batch_item_id) JOIN labelrounds.rounds r ON r.round_id = t.round_id
JOIN labelrounds.assignments a USING (assignment_id) JOIN labelrounds.vendors v ON v.vendor_id = t.vendor_id
WHERE t.campaign_id = :campaign_id AND r.state = 'published' AND t.state = 'filled'
  AND v.name = :vendor AND (:everything OR i.item_id = ANY (:item_ids))
ORDER BY t.task_id

-- name: void_tasks
UPDATE labelrounds.tasks SET state = 'void' WHERE task_id = ANY (CAST(:tasks AS bigint[])) AND state = 'filled'

-- name: refuse
INSERT INTO labelrounds.refusals (assignment_id, reason, refunded)
SELECT x, :reason, :refund FROM unnest(CAST(:assignments AS uuid[])) AS x

-- name: refund
INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, vendor_id, kind, amount_micro)
SELECT l.campaign_id, l.round_id, l.task_id, l.vendor_id, 'refund', l.amount_micro
FROM labelrounds.ledger l WHERE l.task_id = ANY (CAST(:tasks AS bigint[])) AND l.kind = 'settle'

-- name: forget_seats
-- Who is asked again may take the item again.
DELETE FROM labelrounds.seen s USING labelrounds.tasks t
WHERE t.task_id = ANY (CAST(:tasks AS bigint[])) AND s.batch_item_id = t.batch_item_id AND s.vendor_id = t.vendor_id

-- name: add_tasks
-- One more task an item, with its money held; the item is open again.
WITH added AS (
    INSERT INTO labelrounds.tasks
        (batch_item_id, task_no, round_id, campaign_id, pick_key, price_micro, eligible, capable, exclusive)
    SELECT i.batch_item_id, last.task_no + 1, i.round_id, i.campaign_id,
           (CAST(i.priority AS bigint) << 56) | (CAST(least(last.task_no + 1, 127) AS bigint) << 48)
               | (last.pick_key & ((CAST(1 AS bigint) << 48) - 1)),
           :price_micro, CAST(x.eligible AS int[]), CAST(x.capable AS int[]), last.exclusive
    FROM unnest(CAST(:items AS bigint[]), CAST(:eligible AS text[]), CAST(:capable AS text[]))
         AS x (batch_item_id, eligible, capable)
    JOIN labelrounds.batch_items i USING (batch_item_id)
    CROSS JOIN LATERAL (SELECT t.task_no, t.pick_key, t.exclusive FROM labelrounds.tasks t
                        WHERE t.batch_item_id = i.batch_item_id ORDER BY t.task_no DESC LIMIT 1) last
    RETURNING task_id, batch_item_id, round_id, campaign_id, pick_key, price_micro),
held AS (
    INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, kind, amount_micro)
    SELECT campaign_id, round_id, task_id, 'reserve', price_micro FROM added)
UPDATE labelrounds.rounds r SET pick_low = least(r.pick_low, a.low)
FROM (SELECT round_id, min(pick_key) AS low FROM added GROUP BY 1) a WHERE a.round_id = r.round_id

-- name: want_more
-- Recount what an item has and needs; with a task to do it is open. What was cancelled nobody will answer.
UPDATE labelrounds.batch_items i
SET n_need = x.n_need, n_filled = x.n_filled,
    state = CASE WHEN x.live > 0 THEN CAST('open' AS labelrounds.item_state) ELSE i.state END
FROM (SELECT t.batch_item_id, count(*) FILTER (WHERE t.state NOT IN ('void', 'cancelled')) AS n_need,
             count(*) FILTER (WHERE t.state = 'filled') AS n_filled,
             count(*) FILTER (WHERE t.state IN ('ready', 'leased', 'dead')) AS live
      FROM labelrounds.tasks t WHERE t.batch_item_id = ANY (CAST(:items AS bigint[])) GROUP BY 1) x
WHERE i.batch_item_id = x.batch_item_id
