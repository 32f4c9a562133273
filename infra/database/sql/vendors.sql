-- name: create_vendor
INSERT INTO labelrounds.vendors (name) VALUES (:name)
ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING vendor_id, db_role

-- name: set_vendor_login
UPDATE labelrounds.vendors SET db_role = :db_role WHERE name = :name

-- name: role_exists
SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :role)

-- name: list_vendors
SELECT v.name, CAST(v.state AS text) AS state, v.reason, v.db_role IS NOT NULL AS has_login,
       (SELECT count(*) FROM labelrounds.tasks t WHERE t.vendor_id = v.vendor_id AND t.state = 'leased') AS leased,
       (SELECT count(*) FROM labelrounds.annotations a
        WHERE a.vendor_id = v.vendor_id AND a.disposition <> 'surplus') AS answered,
       (SELECT coalesce(jsonb_object_agg(x.currency, x.own_micro), '{}') FROM (
           SELECT o.currency, CAST(sum(o.own_micro) AS bigint) AS own_micro FROM labelrounds.owed o
           WHERE o.vendor_id = v.vendor_id GROUP BY 1) x) AS earned_micro
FROM labelrounds.vendors v ORDER BY v.name

-- name: find_vendor
SELECT vendor_id, name, CAST(state AS text) AS state, reason, max_open FROM labelrounds.vendors WHERE name = :name

-- name: vendor_names
SELECT name FROM labelrounds.vendors ORDER BY name

-- name: vendors_of
-- The vendors of a campaign, by name.
SELECT v.vendor_id, v.name, CAST(v.state AS text) AS state, cv.price_micro
FROM labelrounds.campaign_vendors cv JOIN labelrounds.vendors v USING (vendor_id)
WHERE cv.campaign_id = :campaign_id ORDER BY v.name

-- name: set_state
UPDATE labelrounds.vendors SET state = CAST(:state AS labelrounds.vendor_state), reason = :reason
WHERE name = :name AND state <> CAST(:state AS labelrounds.vendor_state)

-- name: set_limit
UPDATE labelrounds.vendors SET max_open = :most WHERE vendor_id = :vendor_id

-- name: held_tasks
SELECT task_id FROM labelrounds.tasks WHERE vendor_id = :vendor_id AND state = 'leased'
ORDER BY task_id FOR UPDATE SKIP LOCKED

-- name: give_back
SELECT labelrounds.give_back(:tasks)

-- name: route_around
-- Tasks that only this vendor could take go to all who are able; gold is for whom it was made.
WITH its AS MATERIALIZED (
    SELECT t.task_id FROM labelrounds.tasks t JOIN labelrounds.batch_items i USING (batch_item_id)
    WHERE i.kind <> 'gold' AND t.state = 'ready'
      AND t.eligible IS DISTINCT FROM t.capable AND t.eligible <@ ARRAY[CAST(:vendor_id AS int)]
    ORDER BY t.task_id FOR NO KEY UPDATE OF t SKIP LOCKED)
UPDATE labelrounds.tasks t SET eligible = t.capable FROM its WHERE t.task_id = its.task_id

-- name: tell_vendor
INSERT INTO labelrounds.outbox (vendor_id, kind, body) VALUES (:vendor_id, :kind, CAST(:body AS jsonb))

-- name: figures
SELECT labelrounds.vendor_figures(:vendor_id, CAST(:since AS timestamptz), CAST(:until AS timestamptz))

-- name: end_idle
-- A vendor's login that keeps a transaction open would hold tasks that no sweep can see.
SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a
JOIN labelrounds.vendors v ON v.db_role = a.usename
WHERE a.datname = current_database() AND a.xact_start < clock_timestamp() - make_interval(secs => :seconds)

-- name: speak_for
SELECT set_config('labelrounds.vendor_id', CAST(:vendor_id AS text), true)

-- name: held
-- All that a vendor holds of a campaign, as it was leased.
SELECT CAST(t.assignment_id AS text) AS assignment_id, CAST(a.lease_id AS text) AS lease_id,
       CAST(labelrounds.item_name(v.key, t.batch_item_id) AS text) AS item, i.payload, i.priority, t.expires_at,
       s.version, s.task, s.classes, s.instructions
FROM labelrounds.tasks t
JOIN labelrounds.vendors v ON v.vendor_id = t.vendor_id
JOIN labelrounds.assignments a ON a.assignment_id = t.assignment_id
JOIN labelrounds.batch_items i ON i.batch_item_id = t.batch_item_id
JOIN labelrounds.rounds r ON r.round_id = t.round_id
JOIN labelrounds.label_schemas s ON s.campaign_id = r.campaign_id AND s.version = r.schema_version
WHERE t.state = 'leased' AND t.vendor_id = :vendor_id AND t.campaign_id = :campaign_id
ORDER BY i.priority, t.pick_key

-- name: given_up
-- Claims of a vendor that ended without its answer since it was last told.
SELECT CAST(a.assignment_id AS text) AS assignment_id, NULL AS lease_id,
       CAST(labelrounds.item_name(v.key, a.batch_item_id) AS text) AS item, i.payload, i.priority, a.expires_at,
       s.version, s.task, s.classes, s.instructions
FROM labelrounds.outbox o
CROSS JOIN LATERAL jsonb_array_elements_text(o.body -> 'assignments') AS named (assignment)
JOIN labelrounds.assignments a ON a.assignment_id = CAST(named.assignment AS uuid)
JOIN labelrounds.vendors v ON v.vendor_id = a.vendor_id
JOIN labelrounds.batch_items i ON i.batch_item_id = a.batch_item_id
JOIN labelrounds.rounds r ON r.round_id = i.round_id
JOIN labelrounds.label_schemas s ON s.campaign_id = r.campaign_id AND s.version = r.schema_version
WHERE o.vendor_id = :vendor_id AND o.seq > :after AND o.kind IN ('lease.expired', 'task.cancelled')
  AND i.campaign_id = :campaign_id
  AND NOT EXISTS (SELECT FROM labelrounds.annotations n WHERE n.assignment_id = a.assignment_id)

-- name: newest_seq
SELECT coalesce(max(seq), 0) FROM labelrounds.outbox WHERE vendor_id = :vendor_id

-- name: known_answers
-- A vendor's answers that were taken and may still be corrected, in their newest revision.
SELECT n.client_annotation_id, CAST(n.assignment_id AS text) AS assignment_id,
       CAST(labelrounds.item_name(v.key, n.batch_item_id) AS text) AS item, n.revision, n.answer, n.label, n.annotator,
       s.task
FROM labelrounds.current_annotations n
JOIN labelrounds.vendors v ON v.vendor_id = n.vendor_id
JOIN labelrounds.batch_items i ON i.batch_item_id = n.batch_item_id
JOIN labelrounds.rounds r ON r.round_id = i.round_id
JOIN labelrounds.label_schemas s ON s.campaign_id = r.campaign_id AND s.version = r.schema_version
JOIN labelrounds.campaign_vendors cv ON cv.campaign_id = i.campaign_id AND cv.vendor_id = n.vendor_id
JOIN labelrounds.annotations first ON first.assignment_id = n.assignment_id AND first.revision = 1
WHERE n.vendor_id = :vendor_id AND i.campaign_id = :campaign_id
  AND first.received_at + cv.correction_window > clock_timestamp()
ORDER BY n.annotation_id

-- name: read_cursor
SELECT cursor FROM labelrounds.connector_cursors WHERE campaign_id = :campaign_id AND vendor_id = :vendor_id

-- name: write_cursor
INSERT INTO labelrounds.connector_cursors (campaign_id, vendor_id, cursor)
VALUES (:campaign_id, :vendor_id, CAST(:cursor AS jsonb))
ON CONFLICT (campaign_id, vendor_id) DO UPDATE SET cursor = excluded.cursor, at = clock_timestamp()
