-- name: find_round
SELECT r.*, c.name AS campaign FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id)
WHERE r.round_id = :round_id

-- name: unfinished_round
SELECT r.*, c.name AS campaign FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id)
WHERE r.campaign_id = :campaign_id AND r.state NOT IN ('closed', 'stopped', 'failed')

-- name: rounds_of
SELECT r.*, c.name AS campaign FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id)
WHERE c.name = :name ORDER BY r.number

-- name: untracked_rounds
-- Ended or published, and MLflow has not everything of them yet.
SELECT r.*, c.name AS campaign FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id)
WHERE r.campaign_id = :campaign_id AND r.tracked_at IS NULL
  AND r.state IN ('published', 'closed', 'stopped', 'failed') ORDER BY r.number

-- name: open_round
-- The loser of two that open at once gets no row.
INSERT INTO labelrounds.rounds (campaign_id, number, spec, spec_digest, flow_run_id)
SELECT :campaign_id,
       coalesce((SELECT max(number) FROM labelrounds.rounds WHERE campaign_id = :campaign_id), 0) + 1,
       CAST(:spec AS jsonb), :digest, :flow_run_id
ON CONFLICT DO NOTHING
RETURNING round_id

-- name: note_flow_run
UPDATE labelrounds.rounds SET flow_run_id = :flow_run_id WHERE round_id = :round_id

-- name: store
-- One step's output, while the round is still where the step found it.
UPDATE labelrounds.rounds
SET manifest = coalesce(CAST(:manifest AS jsonb), manifest),
    labels = coalesce(CAST(:labels AS jsonb), labels),
    features = coalesce(CAST(:features AS jsonb), features),
    model = coalesce(CAST(:model AS jsonb), model),
    measures = coalesce(CAST(:measures AS jsonb), measures),
    shortlist = coalesce(CAST(:shortlist AS jsonb), shortlist),
    audit = coalesce(CAST(:audit AS jsonb), audit),
    batch = coalesce(CAST(:batch AS jsonb), batch),
    device = coalesce(:device, device)
WHERE round_id = :round_id AND state = CAST(:state AS labelrounds.round_state)

-- name: move
-- A round with an open item is not closed: nobody could take its tasks, and their money would be held for ever. Whoever
-- opens an item holds the round's row, and `store` has waited for it.
UPDATE labelrounds.rounds
SET state = CAST(:new_state AS labelrounds.round_state), reason = :reason,
    closed_at = CASE WHEN :new_state IN ('closed', 'stopped', 'failed') THEN clock_timestamp() END
WHERE round_id = :round_id AND state = CAST(:state AS labelrounds.round_state)
  AND (:new_state <> 'closed' OR NOT EXISTS (
      SELECT FROM labelrounds.batch_items i WHERE i.round_id = :round_id AND i.state = 'open'))

-- name: link_run
UPDATE labelrounds.rounds SET mlflow_run_id = :run_id WHERE round_id = :round_id

-- name: mark_tracked
UPDATE labelrounds.rounds SET tracked_at = clock_timestamp(), model_version = :model_version
WHERE round_id = :round_id AND tracked_at IS NULL
