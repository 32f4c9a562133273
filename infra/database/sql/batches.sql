-- name: mark_published
UPDATE labelrounds.rounds
SET state = 'published', published_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE round_id = :round_id AND state = 'scored'

-- name: insert_items
INSERT INTO labelrounds.batch_items
    (round_id, campaign_id, item_id, kind, payload, rank, score, reason, inclusion_probability, n_need, priority,
     witness)
SELECT :round_id, :campaign_id, x.item_id, CAST(x.kind AS labelrounds.item_kind), CAST(x.payload AS jsonb),
       x.rank, x.score, CAST(x.reason AS jsonb), x.probability, x.n_need, x.priority, CAST(x.witness AS real[])
FROM unnest(CAST(:item_ids AS text[]), CAST(:kinds AS text[]), CAST(:payloads AS text[]), CAST(:ranks AS int[]),
            CAST(:scores AS real[]), CAST(:reasons AS text[]), CAST(:probabilities AS double precision[]),
            CAST(:needs AS int[]), CAST(:priorities AS int[]), CAST(:witnesses AS text[]))
     AS x (item_id, kind, payload, rank, score, reason, probability, n_need, priority, witness)

-- name: insert_gold
INSERT INTO labelrounds.gold (batch_item_id, expected)
SELECT i.batch_item_id, x.expected
FROM unnest(CAST(:item_ids AS text[]), CAST(:expected AS text[])) AS x (item_id, expected)
JOIN labelrounds.batch_items i ON i.round_id = :round_id AND i.item_id = x.item_id

-- name: insert_tasks
INSERT INTO labelrounds.tasks
    (batch_item_id, task_no, round_id, campaign_id, pick_key, price_micro, eligible, capable, exclusive)
SELECT i.batch_item_id, x.task_no, i.round_id, i.campaign_id, x.pick_key, x.price_micro,
       CAST(x.eligible AS int[]), CAST(x.capable AS int[]), :exclusive
FROM unnest(CAST(:item_ids AS text[]), CAST(:task_nos AS int[]), CAST(:pick_keys AS bigint[]),
            CAST(:prices AS bigint[]), CAST(:eligible AS text[]), CAST(:capable AS text[]))
     AS x (item_id, task_no, pick_key, price_micro, eligible, capable)
JOIN labelrounds.batch_items i ON i.round_id = :round_id AND i.item_id = x.item_id
ORDER BY x.pick_key

-- name: newest_schema
SELECT version, task, classes, instructions FROM labelrounds.label_schemas
WHERE campaign_id = :campaign_id ORDER BY version DESC LIMIT 1

-- name: insert_schema
INSERT INTO labelrounds.label_schemas (campaign_id, version, task, classes, instructions)
VALUES (:campaign_id, :version, :task, CAST(:classes AS jsonb), :instructions)

-- name: set_schema
UPDATE labelrounds.rounds SET schema_version = :version WHERE round_id = :round_id

-- name: tell_vendors
-- One message for each vendor of the campaign.
INSERT INTO labelrounds.outbox (vendor_id, kind, body)
SELECT cv.vendor_id, :kind, CAST(:body AS jsonb) FROM labelrounds.campaign_vendors cv
WHERE cv.campaign_id = :campaign_id ORDER BY cv.vendor_id

-- name: reserve
INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, kind, amount_micro)
SELECT campaign_id, round_id, task_id, 'reserve', price_micro FROM labelrounds.tasks WHERE round_id = :round_id

-- name: progress
SELECT count(*) FILTER (WHERE state <> 'cancelled') AS items,
       count(*) FILTER (WHERE state = 'complete') AS complete,
       count(*) FILTER (WHERE state = 'cancelled') AS cancelled
FROM labelrounds.batch_items WHERE round_id = :round_id AND kind <> 'gold'

-- name: batch_of_round
SELECT item_id, kind, rank, score, reason, inclusion_probability, state
FROM labelrounds.batch_items WHERE round_id = :round_id AND kind <> 'gold' ORDER BY kind, rank
