-- name: mark_published
UPDATE labelrounds.rounds
SET state = 'published', published_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE round_id = :round_id AND state = 'scored'

-- name: insert_items
INSERT INTO labelrounds.batch_items
    (round_id, campaign_id, item_id, kind, payload, rank, score, reason, inclusion_probability, n_need)
SELECT :round_id, :campaign_id, x.item_id, CAST(x.kind AS labelrounds.item_kind), CAST(x.payload AS jsonb),
       x.rank, x.score, CAST(x.reason AS jsonb), x.probability, :overlap
FROM unnest(CAST(:item_ids AS text[]), CAST(:kinds AS text[]), CAST(:payloads AS text[]), CAST(:ranks AS int[]),
            CAST(:scores AS real[]), CAST(:reasons AS text[]), CAST(:probabilities AS double precision[]))
     AS x (item_id, kind, payload, rank, score, reason, probability)

-- name: insert_tasks
-- Breadth first: every item's first task before any item's second.
INSERT INTO labelrounds.tasks (batch_item_id, task_no, round_id, campaign_id, pick_key, price_micro)
SELECT i.batch_item_id, n, i.round_id, i.campaign_id, (CAST(n AS bigint) << 48) | p.key, :price_micro
FROM labelrounds.batch_items i
JOIN unnest(CAST(:item_ids AS text[]), CAST(:pick_keys AS bigint[])) AS p (item_id, key) USING (item_id)
CROSS JOIN generate_series(1, :overlap) AS n
WHERE i.round_id = :round_id
ORDER BY n, p.key

-- name: reserve
INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, kind, amount_micro)
SELECT campaign_id, round_id, task_id, 'reserve', price_micro FROM labelrounds.tasks WHERE round_id = :round_id

-- name: progress
SELECT count(*) FILTER (WHERE state <> 'cancelled') AS items,
       count(*) FILTER (WHERE state = 'complete') AS complete,
       count(*) FILTER (WHERE state = 'cancelled') AS cancelled
FROM labelrounds.batch_items WHERE round_id = :round_id

-- name: batch_of_round
SELECT item_id, kind, rank, score, reason, inclusion_probability, state
FROM labelrounds.batch_items WHERE round_id = :round_id ORDER BY kind, rank
