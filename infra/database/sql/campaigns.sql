-- name: register_campaign
-- The campaign's row, made or brought to the newest file. A stop is lifted when budget or stop rules changed. What an
-- older version did not know, and a newer one fills in with its default, is no change.
INSERT INTO labelrounds.campaigns AS c (name, spec, spec_digest)
VALUES (:name, CAST(:spec AS jsonb), :digest)
ON CONFLICT (name) DO UPDATE SET
    stop_reason = CASE WHEN CAST('{"exchange": {}}' AS jsonb) || (c.spec -> 'budget')
                            = CAST('{"exchange": {}}' AS jsonb) || (excluded.spec -> 'budget')
                        AND jsonb_strip_nulls(CAST('{"combine": "any"}' AS jsonb) || (c.spec -> 'stop'))
                            IS NOT DISTINCT FROM
                            jsonb_strip_nulls(CAST('{"combine": "any"}' AS jsonb) || (excluded.spec -> 'stop'))
                       THEN c.stop_reason END,
    spec = excluded.spec, spec_digest = excluded.spec_digest
RETURNING campaign_id, stop_reason, spec -> 'classes' AS classes

-- name: meaning_in_use
-- What labels and amounts mean since the campaign's latest round: it is fixed once a round was opened.
SELECT r.spec -> 'classes' AS classes, coalesce(r.spec ->> 'task', 'classification') AS task,
       coalesce(r.spec -> 'budget' ->> 'currency', 'USD') AS currency
FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id)
WHERE c.name = :name ORDER BY r.number DESC LIMIT 1

-- name: find_campaign
SELECT c.campaign_id, c.name, c.key, c.spec, c.stop_reason, c.experiment_id, c.mlflow_run_id,
       b.spent_micro, b.held_micro, c.resume_until
FROM labelrounds.campaigns c JOIN labelrounds.balances b USING (campaign_id)
WHERE c.name = :name

-- name: list_campaigns
SELECT name FROM labelrounds.campaigns ORDER BY name

-- name: stop_campaign
UPDATE labelrounds.campaigns SET stop_reason = :reason WHERE campaign_id = :campaign_id

-- name: resume_campaign
-- No stop, and no soft stop rule for as many rounds after the last one.
UPDATE labelrounds.campaigns c SET stop_reason = NULL, resume_until = :rounds + coalesce((
    SELECT max(r.number) FROM labelrounds.rounds r WHERE r.campaign_id = c.campaign_id), 0)
WHERE c.name = :name

-- name: link_mlflow
UPDATE labelrounds.campaigns SET experiment_id = :experiment_id, mlflow_run_id = :run_id
WHERE campaign_id = :campaign_id

-- name: lock_campaign
SELECT campaign_id FROM labelrounds.campaigns WHERE campaign_id = :campaign_id FOR NO KEY UPDATE

-- name: register_vendor
INSERT INTO labelrounds.vendors (name) VALUES (:name) ON CONFLICT (name) DO NOTHING

-- name: agree_terms
-- What the vendor is paid, written down once and never changed: other prices and rates are other terms.
INSERT INTO labelrounds.terms (campaign_id, vendor_id, own_micro, currency, rate, price_micro)
SELECT :campaign_id, v.vendor_id, :own_micro, :currency, CAST(:rate AS numeric), :price_micro
FROM labelrounds.vendors v WHERE v.name = :name
ON CONFLICT DO NOTHING

-- name: offer_to_vendor
INSERT INTO labelrounds.campaign_vendors
    (campaign_id, vendor_id, terms_id, price_micro, lease, max_open, correction_window)
SELECT x.campaign_id, x.vendor_id, x.terms_id, x.price_micro, make_interval(secs => :lease_seconds), :max_open,
       make_interval(secs => :correction_seconds)
FROM labelrounds.vendors v JOIN labelrounds.terms x USING (vendor_id)
WHERE v.name = :name AND x.campaign_id = :campaign_id AND x.own_micro = :own_micro AND x.currency = :currency
  AND x.rate = CAST(:rate AS numeric)
ON CONFLICT (campaign_id, vendor_id) DO UPDATE SET
    terms_id = excluded.terms_id, price_micro = excluded.price_micro, lease = excluded.lease,
    max_open = excluded.max_open, correction_window = excluded.correction_window

-- name: withdraw_from_vendors
DELETE FROM labelrounds.campaign_vendors cv USING labelrounds.vendors v
WHERE cv.campaign_id = :campaign_id AND v.vendor_id = cv.vendor_id AND v.name <> ALL (:names)

-- name: budget_state
-- What is spent, held and bought: every item that was chosen and not withdrawn is a label bought.
SELECT b.spent_micro, b.held_micro,
       (SELECT count(*) FROM labelrounds.batch_items i
        WHERE i.campaign_id = :campaign_id AND i.state <> 'cancelled' AND i.kind <> 'gold') AS bought
FROM labelrounds.balances b WHERE b.campaign_id = :campaign_id

-- name: labels_by_round
-- A label that is a set counts once for each of its classes.
SELECT r.number, named.class, count(*) FROM labelrounds.labels l JOIN labelrounds.rounds r USING (round_id)
CROSS JOIN LATERAL jsonb_array_elements_text(
    CASE WHEN r.spec ->> 'task' = 'multilabel' THEN CAST(l.label AS jsonb) ELSE jsonb_build_array(l.label) END
) AS named (class)
WHERE l.campaign_id = :campaign_id AND l.version = 1 GROUP BY 1, 2 ORDER BY 1, 2

-- name: spend_by_round
SELECT r.number, v.name,
       CAST(sum(CASE l.kind WHEN 'settle' THEN l.amount_micro ELSE -l.amount_micro END) AS bigint)
FROM labelrounds.ledger l
JOIN labelrounds.rounds r USING (round_id) JOIN labelrounds.vendors v USING (vendor_id)
WHERE l.campaign_id = :campaign_id AND l.kind IN ('settle', 'refund') GROUP BY 1, 2 ORDER BY 1, 2
