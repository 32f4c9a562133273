-- name: insert_seed
INSERT INTO labelrounds.labels (campaign_id, item_id, version, kind, label, confidence, n_answers, method)
SELECT :campaign_id, x.item_id, 1, 'seed', x.label, 1, 0, 'seed file'
FROM unnest(CAST(:item_ids AS text[]), CAST(:labels AS text[])) AS x (item_id, label)
ON CONFLICT DO NOTHING

-- name: current_labels
SELECT DISTINCT ON (l.item_id) l.item_id, CAST(l.kind AS text) AS kind, l.label, l.confidence, i.inclusion_probability
FROM labelrounds.labels l
LEFT JOIN labelrounds.batch_items i
  ON i.campaign_id = l.campaign_id AND i.item_id = l.item_id AND i.state <> 'cancelled'
WHERE l.campaign_id = :campaign_id
ORDER BY l.item_id, l.version DESC

-- name: taken_items
-- Labelled, in flight or answered: not free to be chosen. Which part of a strategy chose an item, where one did.
SELECT item_id, coalesce(max(source), '') AS source
FROM (SELECT item_id, NULL AS source FROM labelrounds.labels WHERE campaign_id = :campaign_id
      UNION ALL
      SELECT item_id, coalesce(reason ->> 'part', reason ->> 'strategy')
      FROM labelrounds.batch_items WHERE campaign_id = :campaign_id AND state <> 'cancelled') AS taken
GROUP BY item_id

-- name: unlabelled_answers
-- Answers of complete items that have no label yet; skips give none.
SELECT i.batch_item_id, i.item_id, CAST(i.kind AS text) AS kind, a.annotation_id, a.label
FROM labelrounds.batch_items i
JOIN labelrounds.annotations a USING (batch_item_id)
WHERE i.round_id = :round_id AND i.state = 'complete' AND a.answer = 'label' AND a.disposition <> 'surplus'
  AND NOT EXISTS (SELECT 1 FROM labelrounds.labels l
                  WHERE l.campaign_id = i.campaign_id AND l.item_id = i.item_id)
ORDER BY i.batch_item_id, a.annotation_id

-- name: insert_labels
INSERT INTO labelrounds.labels
    (campaign_id, item_id, version, kind, label, confidence, n_answers, method, inputs, round_id)
SELECT :campaign_id, x.item_id, 1, CAST(x.kind AS labelrounds.label_kind), x.label, x.confidence,
       cardinality(CAST(x.inputs AS bigint[])), :method, CAST(x.inputs AS bigint[]), :round_id
FROM unnest(CAST(:item_ids AS text[]), CAST(:kinds AS text[]), CAST(:labels AS text[]),
            CAST(:confidences AS real[]), CAST(:inputs AS text[]))
     AS x (item_id, kind, label, confidence, inputs)
ON CONFLICT DO NOTHING

-- name: export
SELECT DISTINCT ON (l.item_id) l.item_id, l.label, l.confidence, CAST(l.kind AS text) AS kind, l.method,
       l.n_answers, l.version, r.number AS round,
       (SELECT string_agg(DISTINCT v.name, ',' ORDER BY v.name) FROM labelrounds.annotations a
        JOIN labelrounds.vendors v USING (vendor_id) WHERE a.annotation_id = ANY (l.inputs)) AS vendors,
       l.at
FROM labelrounds.labels l
JOIN labelrounds.campaigns c USING (campaign_id)
LEFT JOIN labelrounds.rounds r USING (round_id)
WHERE c.name = :name
ORDER BY l.item_id, l.version DESC
