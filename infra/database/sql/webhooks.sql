-- name: find_vendor
SELECT vendor_id FROM labelrounds.vendors WHERE name = :name

-- name: insert_webhook
INSERT INTO labelrounds.webhooks (vendor_id, url, secrets, kinds)
VALUES (:vendor_id, :url, ARRAY[CAST(:secret AS text)], CAST(:kinds AS text[])) RETURNING webhook_id

-- name: list_webhooks
SELECT w.webhook_id, v.name AS vendor, w.url, w.kinds, CAST(w.state AS text) AS state, w.reason,
       cardinality(w.secrets) AS secrets,
       (SELECT count(*) FROM labelrounds.deliveries d
        WHERE d.webhook_id = w.webhook_id AND d.state = 'pending') AS pending,
       (SELECT count(*) FROM labelrounds.deliveries d
        WHERE d.webhook_id = w.webhook_id AND d.state = 'dead') AS dead,
       (SELECT d.last_error FROM labelrounds.deliveries d
        WHERE d.webhook_id = w.webhook_id AND d.last_error IS NOT NULL ORDER BY d.seq DESC LIMIT 1) AS last_error
FROM labelrounds.webhooks w LEFT JOIN labelrounds.vendors v USING (vendor_id)
ORDER BY w.webhook_id

-- name: rotate_secret
UPDATE labelrounds.webhooks SET secrets = ARRAY[CAST(:secret AS text), secrets[1]]
WHERE webhook_id = :webhook_id RETURNING webhook_id

-- name: remove_webhook
DELETE FROM labelrounds.webhooks WHERE webhook_id = :webhook_id RETURNING webhook_id

-- name: enable_webhook
UPDATE labelrounds.webhooks SET state = 'active', reason = NULL
WHERE webhook_id = :webhook_id RETURNING webhook_id

-- name: list_deliveries
SELECT d.seq, CAST(o.id AS text) AS id, o.kind, CAST(d.state AS text) AS state, d.tries, o.at, d.next_at,
       d.settled_at, d.last_error
FROM labelrounds.deliveries d JOIN labelrounds.outbox o USING (seq)
WHERE d.webhook_id = :webhook_id
  AND (CAST(:state AS text) IS NULL OR CAST(d.state AS text) = :state)
ORDER BY d.seq DESC LIMIT :at_most

-- name: redeliver
UPDATE labelrounds.deliveries
SET state = 'pending', tries = 0, next_at = clock_timestamp(), settled_at = NULL,
    give_up_at = clock_timestamp() + interval '24 hours'
WHERE webhook_id = :webhook_id
  AND CASE WHEN CAST(:seq AS bigint) IS NULL THEN state = 'dead' ELSE seq = :seq AND state <> 'pending' END
RETURNING seq
