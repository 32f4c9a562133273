-- name: expire
-- Lapsed leases: free again, or dead after too many attempts. A task that somebody holds locked waits for the
-- next sweep.
WITH lapsed AS MATERIALIZED (
    SELECT task_id, batch_item_id, vendor_id FROM labelrounds.tasks
    WHERE state = 'leased' AND expires_at < clock_timestamp()
    ORDER BY expires_at LIMIT :at_most FOR UPDATE SKIP LOCKED),
forgotten AS (
    DELETE FROM labelrounds.seen s USING lapsed l
    WHERE s.batch_item_id = l.batch_item_id AND s.vendor_id = l.vendor_id)
UPDATE labelrounds.tasks t
SET state = CASE WHEN t.attempts >= :max_attempts THEN CAST('dead' AS labelrounds.task_state) ELSE 'ready' END,
    expires_at = NULL, vendor_id = NULL, assignment_id = NULL
FROM lapsed l WHERE t.task_id = l.task_id
RETURNING CAST(t.state AS text) AS state

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
WHERE batch_item_id = ANY (:items) AND state IN ('ready', 'leased', 'dead')
ORDER BY task_id FOR NO KEY UPDATE SKIP LOCKED

-- name: held_items
-- Items of which a vendor's call holds a task. A join, since comparing with each element of an array is quadratic.
SELECT DISTINCT t.batch_item_id FROM labelrounds.tasks t
JOIN unnest(CAST(:items AS bigint[])) AS i (batch_item_id) USING (batch_item_id)
LEFT JOIN unnest(CAST(:tasks AS bigint[])) AS locked (task_id) USING (task_id)
WHERE t.state IN ('ready', 'leased', 'dead') AND locked.task_id IS NULL

-- name: cancel_tasks
WITH gone AS (
    UPDATE labelrounds.tasks SET state = 'cancelled', expires_at = NULL
    WHERE batch_item_id = ANY (:items) AND state IN ('ready', 'leased', 'dead')
    RETURNING task_id, campaign_id, round_id, price_micro)
INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, kind, amount_micro)
SELECT campaign_id, round_id, task_id, 'release', price_micro FROM gone

-- name: settle_open_items
-- Partly answered items are complete with what they have; unanswered ones are free for a later round.
UPDATE labelrounds.batch_items
SET state = CASE WHEN n_filled > 0 THEN CAST('complete' AS labelrounds.item_state) ELSE 'cancelled' END
WHERE batch_item_id = ANY (:items) AND state = 'open'

-- name: has_open_items
SELECT EXISTS (SELECT 1 FROM labelrounds.batch_items WHERE round_id = :round_id AND state = 'open')

-- name: create_vendor
INSERT INTO labelrounds.vendors (name) VALUES (:name)
ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING vendor_id, db_role

-- name: set_vendor_login
UPDATE labelrounds.vendors SET db_role = :db_role WHERE name = :name

-- name: role_exists
SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :role)

-- name: list_vendors
SELECT v.name, CAST(v.state AS text) AS state, v.db_role IS NOT NULL AS has_login,
       (SELECT count(*) FROM labelrounds.tasks t WHERE t.vendor_id = v.vendor_id AND t.state = 'leased') AS leased,
       (SELECT count(*) FROM labelrounds.annotations a
        WHERE a.vendor_id = v.vendor_id AND a.disposition <> 'surplus') AS answered,
       (SELECT coalesce(sum(l.amount_micro), 0) FROM labelrounds.ledger l
        WHERE l.vendor_id = v.vendor_id AND l.kind = 'settle') AS earned_micro
FROM labelrounds.vendors v ORDER BY v.name
