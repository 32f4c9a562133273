-- name: insert_seed
INSERT INTO labelrounds.labels (campaign_id, item_id, version, kind, label, confidence, n_answers, method)
SELECT :campaign_id, x.item_id, 1, 'seed', x.label, 1, 0, 'seed file'
FROM unnest(CAST(:item_ids AS text[]), CAST(:labels AS text[])) AS x (item_id, label)
ON CONFLICT DO NOTHING

-- name: current_labels
SELECT l.item_id, CAST(l.kind AS text) AS kind, l.label, l.confidence, i.inclusion_probability,
       coalesce(l.weight, l.confidence) AS weight
FROM (SELECT DISTINCT ON (item_id) * FROM labelrounds.labels WHERE campaign_id = :campaign_id
      ORDER BY item_id, version DESC) l
LEFT JOIN labelrounds.batch_items i
  ON i.campaign_id = l.campaign_id AND i.item_id = l.item_id AND i.state <> 'cancelled' AND i.kind IN ('work', 'audit')
WHERE NOT l.withdrawn
ORDER BY l.item_id

-- name: audit_draws
-- How the audited items were drawn.
SELECT i.item_id, r.number AS round, i.rank, i.reason
FROM labelrounds.batch_items i JOIN labelrounds.rounds r USING (round_id)
WHERE i.campaign_id = :campaign_id AND i.kind = 'audit' AND i.state <> 'cancelled'

-- name: taken_items
-- Labelled, in flight or answered: not free to be chosen. Which part of a strategy chose an item, where one did.
SELECT item_id, coalesce(max(source), '') AS source
FROM (SELECT item_id, NULL AS source FROM labelrounds.labels WHERE campaign_id = :campaign_id
      UNION ALL
      SELECT item_id, coalesce(reason ->> 'part', reason ->> 'strategy')
      FROM labelrounds.batch_items WHERE campaign_id = :campaign_id AND state <> 'cancelled') AS taken
GROUP BY item_id

-- name: counted_answers
-- What vendors say by now of the campaign's items; skips say nothing. Of gold what is known is told.
SELECT i.batch_item_id, i.item_id, CAST(i.kind AS text) AS kind, CAST(i.state AS text) AS state, i.round_id,
       a.annotation_id, a.vendor_id, a.annotator, a.label, g.expected
FROM labelrounds.batch_items i
JOIN labelrounds.current_annotations a USING (batch_item_id)
LEFT JOIN labelrounds.gold g USING (batch_item_id)
WHERE i.campaign_id = :campaign_id AND i.state <> 'cancelled' AND a.answer = 'label' AND a.disposition <> 'surplus'
ORDER BY i.item_id, a.annotation_id

-- name: witnesses
-- What models said of items before anybody had answered. Of audited ones nothing is asked: they measure the models.
SELECT DISTINCT ON (item_id) item_id, witness FROM labelrounds.batch_items
WHERE campaign_id = :campaign_id AND witness IS NOT NULL AND kind = 'work' AND state <> 'cancelled'
ORDER BY item_id, batch_item_id DESC

-- name: newest_labels
SELECT DISTINCT ON (item_id) item_id, version, CAST(kind AS text) AS kind, label, confidence, inputs, withdrawn
FROM labelrounds.labels WHERE campaign_id = :campaign_id ORDER BY item_id, version DESC

-- name: answers_asked
-- Answers that each item has, or may still get; and who has been asked.
SELECT i.item_id, count(*) FILTER (WHERE t.state IN ('ready', 'leased', 'dead', 'filled')) AS asked,
       array_agg(DISTINCT t.vendor_id) FILTER (WHERE t.state IN ('leased', 'filled', 'void')) AS vendors
FROM labelrounds.batch_items i JOIN labelrounds.tasks t USING (batch_item_id)
WHERE i.campaign_id = :campaign_id AND i.kind <> 'gold' AND i.state <> 'cancelled' GROUP BY 1

-- name: payloads
SELECT DISTINCT ON (item_id) item_id, CAST(payload AS text) AS payload FROM labelrounds.batch_items
WHERE campaign_id = :campaign_id AND item_id = ANY (:item_ids) ORDER BY item_id, batch_item_id DESC

-- name: gold_asked
-- How often each vendor was given each gold item.
SELECT t.eligible[1] AS vendor_id, i.item_id, count(*) AS times
FROM labelrounds.batch_items i JOIN labelrounds.tasks t USING (batch_item_id)
WHERE i.campaign_id = :campaign_id AND i.kind = 'gold' AND t.state <> 'cancelled' GROUP BY 1, 2

-- name: gold_results
-- Each vendor's answers to items whose label is known.
SELECT v.name, count(*) FILTER (WHERE a.label = g.expected) AS correct,
       count(*) FILTER (WHERE a.label <> g.expected) AS wrong
FROM labelrounds.gold g
JOIN labelrounds.batch_items i USING (batch_item_id)
JOIN labelrounds.current_annotations a USING (batch_item_id)
JOIN labelrounds.vendors v USING (vendor_id)
WHERE i.campaign_id = :campaign_id AND a.answer = 'label' GROUP BY 1 ORDER BY 1

-- name: insert_labels
INSERT INTO labelrounds.labels
    (campaign_id, item_id, version, kind, label, confidence, n_answers, method, inputs, round_id, withdrawn, weight)
SELECT :campaign_id, x.item_id, x.version, CAST(x.kind AS labelrounds.label_kind), x.label, x.confidence,
       cardinality(CAST(x.inputs AS bigint[])), :method, CAST(x.inputs AS bigint[]), x.round_id, x.withdrawn, x.weight
FROM unnest(CAST(:item_ids AS text[]), CAST(:versions AS int[]), CAST(:kinds AS text[]), CAST(:labels AS text[]),
            CAST(:confidences AS real[]), CAST(:inputs AS text[]), CAST(:rounds AS bigint[]),
            CAST(:withdrawn AS boolean[]), CAST(:weights AS real[]))
     AS x (item_id, version, kind, label, confidence, inputs, round_id, withdrawn, weight)
ON CONFLICT DO NOTHING

-- name: export
-- The newest beliefs, or those of the moment when a round had opened.
SELECT l.item_id, l.label, l.confidence, CAST(l.kind AS text) AS kind, l.method,
       l.n_answers, l.version, r.number AS round,
       (SELECT string_agg(DISTINCT v.name, ',' ORDER BY v.name) FROM labelrounds.annotations a
        JOIN labelrounds.vendors v USING (vendor_id) WHERE a.annotation_id = ANY (l.inputs)) AS vendors,
       l.at
FROM (SELECT DISTINCT ON (x.item_id) x.* FROM labelrounds.labels x
      JOIN labelrounds.campaigns c USING (campaign_id)
      WHERE c.name = :name AND (CAST(:before AS timestamptz) IS NULL OR x.at <= CAST(:before AS timestamptz))
      ORDER BY x.item_id, x.version DESC) l
LEFT JOIN labelrounds.rounds r USING (round_id)
WHERE NOT l.withdrawn
ORDER BY l.item_id
