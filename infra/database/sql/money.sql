-- name: spent
-- What was paid, refunds taken off. An answer is a further one when another answer of its item counts and came before it;
-- so is one that was refused and paid all the same. Of gold each vendor's answer is a first one.
SELECT r.number AS round, CAST(i.kind AS text) AS kind, v.name AS vendor,
       i.kind <> 'gold' AND f.first_task IS DISTINCT FROM t.task_id AS further,
       CAST(sum(o.answers) AS bigint) AS answers, CAST(sum(o.amount_micro) AS bigint) AS spent_micro
FROM labelrounds.owed o
JOIN labelrounds.tasks t USING (task_id)
JOIN labelrounds.batch_items i ON i.batch_item_id = t.batch_item_id
JOIN labelrounds.rounds r ON r.round_id = o.round_id
JOIN labelrounds.vendors v ON v.vendor_id = o.vendor_id
JOIN (SELECT batch_item_id, min(task_id) FILTER (WHERE state = 'filled') AS first_task
      FROM labelrounds.tasks WHERE campaign_id = :campaign_id GROUP BY 1) f ON f.batch_item_id = t.batch_item_id
WHERE o.campaign_id = :campaign_id
GROUP BY 1, 2, 3, 4 HAVING sum(o.answers) <> 0 ORDER BY 1, 2, 3, 4

-- name: burn_by_day
WITH booked AS (
    SELECT CAST(l.at AT TIME ZONE 'UTC' AS date) AS day, max(r.number) AS number,
           sum(CASE l.kind WHEN 'settle' THEN l.amount_micro WHEN 'refund' THEN -l.amount_micro ELSE 0 END) AS spent,
           sum(CASE l.kind WHEN 'reserve' THEN l.amount_micro WHEN 'refund' THEN 0 ELSE -l.amount_micro END) AS held
    FROM labelrounds.ledger l JOIN labelrounds.rounds r USING (round_id)
    WHERE l.campaign_id = :campaign_id GROUP BY 1)
SELECT day, max(number) OVER (ORDER BY day) AS round, CAST(sum(spent) OVER (ORDER BY day) AS bigint) AS spent_micro,
       CAST(sum(held) OVER (ORDER BY day) AS bigint) AS held_micro
FROM booked ORDER BY day

-- name: burn_by_round
WITH booked AS (
    SELECT r.number, max(CAST(l.at AT TIME ZONE 'UTC' AS date)) AS day,
           sum(CASE l.kind WHEN 'settle' THEN l.amount_micro WHEN 'refund' THEN -l.amount_micro ELSE 0 END) AS spent,
           sum(CASE l.kind WHEN 'reserve' THEN l.amount_micro WHEN 'refund' THEN 0 ELSE -l.amount_micro END) AS held
    FROM labelrounds.ledger l JOIN labelrounds.rounds r USING (round_id)
    WHERE l.campaign_id = :campaign_id GROUP BY 1)
SELECT day, number AS round, CAST(sum(spent) OVER (ORDER BY number) AS bigint) AS spent_micro,
       CAST(sum(held) OVER (ORDER BY number) AS bigint) AS held_micro
FROM booked ORDER BY number

-- name: owed_by_terms
-- What each vendor may invoice, by the terms that its answers were leased under.
SELECT v.name AS vendor, o.currency, x.own_micro AS price_micro, coalesce(x.rate, 1) AS rate,
       CAST(sum(o.answers) AS bigint) AS answers, CAST(sum(o.own_micro) AS bigint) AS own_micro,
       CAST(sum(o.amount_micro) AS bigint) AS spent_micro
FROM labelrounds.owed o JOIN labelrounds.vendors v USING (vendor_id) LEFT JOIN labelrounds.terms x USING (terms_id)
WHERE o.campaign_id = :campaign_id GROUP BY 1, 2, 3, 4 HAVING sum(o.answers) <> 0 ORDER BY 1, 2, 3, 4

-- name: labels_bought
-- The labels that are believed by now, by the round that chose their items, and how many of them are right if the
-- confidences are.
SELECT r.number AS round, CAST(i.kind AS text) AS kind, count(*) AS labels,
       CAST(sum(l.confidence) AS double precision) AS expected_right
FROM (SELECT DISTINCT ON (item_id) item_id, kind, confidence, withdrawn FROM labelrounds.labels
      WHERE campaign_id = :campaign_id ORDER BY item_id, version DESC) l
JOIN labelrounds.batch_items i
  ON i.campaign_id = :campaign_id AND i.item_id = l.item_id AND i.state <> 'cancelled' AND i.kind IN ('work', 'audit')
JOIN labelrounds.rounds r ON r.round_id = i.round_id
WHERE l.kind <> 'seed' AND NOT l.withdrawn
GROUP BY 1, 2 ORDER BY 1, 2
