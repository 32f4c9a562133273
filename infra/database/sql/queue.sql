-- name: expire
-- Lapsed leases: free again, or dead after too many of them. A task that somebody holds locked waits for the
-- next sweep.
WITH lapsed AS MATERIALIZED (
    SELECT task_id, batch_item_id, vendor_id, assignment_id, exclusive FROM labelrounds.tasks
    WHERE state = 'leased' AND expires_at < clock_timestamp()
    ORDER BY expires_at LIMIT :at_most FOR UPDATE SKIP LOCKED),
forgotten AS (
    DELETE FROM labelrounds.seen s USING lapsed l
    WHERE l.exclusive AND s.batch_item_id = l.batch_item_id AND s.vendor_id = l.vendor_id),
told AS (
    INSERT INTO labelrounds.outbox (vendor_id, kind, body)
    SELECT l.vendor_id, 'lease.expired', jsonb_build_object('assignments', jsonb_agg(l.assignment_id ORDER BY l.assignment_id))
    FROM lapsed l GROUP BY l.vendor_id ORDER BY l.vendor_id)
UPDATE labelrounds.tasks t
SET state = CASE WHEN t.lapses + 1 >= :max_attempts THEN CAST('dead' AS labelrounds.task_state) ELSE 'ready' END,
    lapses = t.lapses + 1, expires_at = NULL, vendor_id = NULL, assignment_id = NULL
FROM lapsed l WHERE t.task_id = l.task_id
RETURNING CAST(t.state AS text) AS state

-- name: lock_published_rounds
-- Whoever adds a task lowers the mark in its transaction: behind its lock, its task is seen.
SELECT round_id FROM labelrounds.rounds WHERE state = 'published' ORDER BY round_id FOR NO KEY UPDATE

-- name: low_water
-- Where the claim of a published round begins: no free task, and none that may become free, lies below.
UPDATE labelrounds.rounds r SET pick_low = coalesce((
    SELECT min(t.pick_key) FROM labelrounds.tasks t
    WHERE t.round_id = r.round_id AND t.state IN ('ready', 'leased', 'dead')), 0)
WHERE r.state = 'published'

-- name: lock_published_round
-- Not FOR UPDATE: that would stop the foreign keys of answers which hold items that we are about to ask for.
SELECT round_id, due_at < clock_timestamp() AS overdue FROM labelrounds.rounds
WHERE round_id = :round_id AND state = 'published' FOR NO KEY UPDATE

-- name: lock_open_items
-- What a vendor's call holds locked at this moment is left for the next time: nobody waits for a vendor.
SELECT batch_item_id FROM labelrounds.batch_items WHERE round_id = :round_id AND state = 'open'
ORDER BY batch_item_id FOR NO KEY UPDATE SKIP LOCKED

-- name: lock_open_tasks
SELECT task_id FROM labelrounds.tasks
WHERE batch_item_id = ANY (CAST(:items AS bigint[])) AND state IN ('ready', 'leased', 'dead')
ORDER BY task_id FOR NO KEY UPDATE SKIP LOCKED

-- name: held_items
-- Items of which a vendor's call holds a task. A join, since comparing with each element of an array is quadratic.
SELECT DISTINCT t.batch_item_id FROM labelrounds.tasks t
JOIN unnest(CAST(:items AS bigint[])) AS i (batch_item_id) USING (batch_item_id)
LEFT JOIN unnest(CAST(:tasks AS bigint[])) AS locked (task_id) USING (task_id)
WHERE t.state IN ('ready', 'leased', 'dead') AND locked.task_id IS NULL

-- name: cancel_tasks
-- Who holds one is told.
WITH told AS (
    INSERT INTO labelrounds.outbox (vendor_id, kind, body)
    SELECT t.vendor_id, 'task.cancelled', jsonb_build_object('assignments', jsonb_agg(t.assignment_id ORDER BY t.assignment_id))
    FROM labelrounds.tasks t WHERE t.batch_item_id = ANY (CAST(:items AS bigint[])) AND t.state = 'leased'
    GROUP BY t.vendor_id ORDER BY t.vendor_id),
gone AS (
    UPDATE labelrounds.tasks SET state = 'cancelled', expires_at = NULL
    WHERE batch_item_id = ANY (CAST(:items AS bigint[])) AND state IN ('ready', 'leased', 'dead')
    RETURNING task_id, campaign_id, round_id, price_micro)
INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, kind, amount_micro)
SELECT campaign_id, round_id, task_id, 'release', price_micro FROM gone

-- name: settle_open_items
-- Partly answered items are complete with what they have; unanswered ones are free for a later round.
UPDATE labelrounds.batch_items
SET state = CASE WHEN n_filled > 0 THEN CAST('complete' AS labelrounds.item_state) ELSE 'cancelled' END
WHERE batch_item_id = ANY (CAST(:items AS bigint[])) AND state = 'open'

-- name: has_open_items
SELECT EXISTS (SELECT 1 FROM labelrounds.batch_items WHERE round_id = :round_id AND state = 'open')
