-- What outside vendors need: label schemas with versions, answers that are corrected or refused, work that is given
-- back, prolonged or routed, gold, and an outbox written in the transaction of what it tells.

SET LOCAL ROLE labelrounds_owner;

-- A value that was just added cannot be used by an index or a view of the same transaction: `state` and `kind` are
-- compared as text there.
ALTER TYPE labelrounds.task_state ADD VALUE 'void';       -- Answered, but the answer was refused: a new task replaces it
ALTER TYPE labelrounds.entry_kind ADD VALUE 'refund';     -- Taken back from the vendor: its answer was refused

ALTER TYPE labelrounds.item_kind RENAME TO item_kind_before;
CREATE TYPE labelrounds.item_kind AS ENUM (
    'work',       -- Chosen by the strategy
    'audit',      -- Drawn at random to measure; never trained on
    'relabel',    -- Labelled before: one more answer is worth more than a fresh item
    'gold'        -- Its label is known: it measures the vendors
);
ALTER TABLE labelrounds.batch_items ALTER COLUMN kind TYPE labelrounds.item_kind USING kind::text::labelrounds.item_kind;
DROP TYPE labelrounds.item_kind_before;

-- What vendors are asked, as it was when they were asked. Classes stay for a campaign's life; instructions change.
CREATE TABLE labelrounds.label_schemas (
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    version int NOT NULL CHECK (version >= 1),
    task text NOT NULL,
    classes jsonb NOT NULL,
    instructions text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (campaign_id, version)
);

ALTER TABLE labelrounds.campaigns
    ADD COLUMN paused_at timestamptz,       -- no task is leased while it is set
    ADD COLUMN pause_reason text;

ALTER TABLE labelrounds.rounds
    ADD COLUMN schema_version int,
    -- No free or leased task of the round lies below: the claim begins here instead of at rows long dead.
    ADD COLUMN pick_low bigint NOT NULL DEFAULT 0;

INSERT INTO labelrounds.label_schemas (campaign_id, version, task, classes)
SELECT campaign_id, 1, coalesce(spec ->> 'task', 'classification'), spec -> 'classes' FROM labelrounds.campaigns;
UPDATE labelrounds.rounds SET schema_version = 1 WHERE published_at IS NOT NULL;

ALTER TABLE labelrounds.vendors
    ADD COLUMN reason text,                 -- why it is suspended or closed
    ADD COLUMN key uuid NOT NULL DEFAULT gen_random_uuid();  -- its own names of items are made with it

ALTER TABLE labelrounds.campaign_vendors
    ADD COLUMN max_open int CHECK (max_open > 0),            -- in this campaign; null = the vendor's own cap alone
    ADD COLUMN correction_window interval NOT NULL DEFAULT '7 days';

ALTER TABLE labelrounds.batch_items
    ADD COLUMN priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 9),  -- 0 = done first
    ADD COLUMN witness real[];              -- what a model that had not seen its label said of it, by class

ALTER TABLE labelrounds.tasks
    ADD COLUMN eligible int[],              -- vendors that may take it now; null = all of the campaign
    ADD COLUMN capable int[],               -- vendors that it may be rerouted to when it is late; null = all
    ADD COLUMN exclusive boolean NOT NULL DEFAULT true,      -- another vendor for each task of an item; else another person
    ADD COLUMN lapses smallint NOT NULL DEFAULT 0,           -- leases that ended without an answer
    ALTER COLUMN attempts TYPE int;
UPDATE labelrounds.tasks SET lapses = least(attempts, 100);
ALTER TABLE labelrounds.assignments ALTER COLUMN epoch TYPE int;
DROP INDEX labelrounds.one_task_per_vendor;
CREATE UNIQUE INDEX one_task_per_vendor ON labelrounds.tasks (batch_item_id, vendor_id)
    WHERE state IN ('leased', 'filled') AND exclusive;
-- An item is chosen once; as gold, or because its label is doubted, it may be asked again.
DROP INDEX labelrounds.one_choice;
CREATE UNIQUE INDEX one_choice ON labelrounds.batch_items (campaign_id, item_id)
    WHERE state <> 'cancelled' AND kind IN ('work', 'audit');

-- Apart from what any vendor's call reads.
CREATE TABLE labelrounds.gold (
    batch_item_id bigint PRIMARY KEY REFERENCES labelrounds.batch_items,
    expected text NOT NULL
);

-- The lease is stored when it is known to hold something: a vendor that asks every minute leaves no trace.
ALTER TABLE labelrounds.assignments ALTER CONSTRAINT assignments_lease_id_fkey DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX leases_vendor ON labelrounds.leases (vendor_id, issued_at);
ALTER TABLE labelrounds.leases
    ADD COLUMN ttl_seconds int,
    ADD COLUMN campaign text;

-- Every call that changes something, with its answer; a request that comes again gets it again.
ALTER TABLE labelrounds.submissions
    ADD COLUMN call text NOT NULL DEFAULT 'submit' CHECK (call IN ('submit', 'correct', 'extend', 'release'));

ALTER TABLE labelrounds.annotations
    ADD COLUMN client_annotation_id text,   -- the vendor's own id of it
    ADD COLUMN revision int NOT NULL DEFAULT 1 CHECK (revision >= 1),
    ADD COLUMN reason text,                 -- why it was corrected
    ADD COLUMN confidence real,
    ADD COLUMN comment text,
    ADD COLUMN started_at timestamptz,      -- by the vendor's clock: shown, never reckoned with
    ADD COLUMN finished_at timestamptz,
    ADD COLUMN exclusive boolean NOT NULL DEFAULT true;
ALTER TABLE labelrounds.annotations DISABLE TRIGGER append_only;
UPDATE labelrounds.annotations SET client_annotation_id = assignment_id::text;
ALTER TABLE labelrounds.annotations ENABLE TRIGGER append_only;
ALTER TABLE labelrounds.annotations
    ALTER COLUMN client_annotation_id SET NOT NULL,
    DROP CONSTRAINT annotations_answer_check,
    ADD CONSTRAINT annotations_answer_check CHECK (answer IN ('label', 'skip', 'unsure', 'bad_item')),
    DROP CONSTRAINT annotations_assignment_id_key,
    ADD CONSTRAINT annotations_assignment UNIQUE (assignment_id, revision),
    ADD CONSTRAINT annotations_client UNIQUE (vendor_id, client_annotation_id, revision);
DROP INDEX labelrounds.one_answer_per_task;
CREATE UNIQUE INDEX one_answer_per_task ON labelrounds.annotations (task_id, revision) WHERE disposition <> 'surplus';
-- Where overlap counts people: one person once.
CREATE UNIQUE INDEX one_answer_per_person ON labelrounds.annotations (batch_item_id, vendor_id, annotator)
    WHERE NOT exclusive AND disposition <> 'surplus' AND revision = 1;

-- A belief without answers: all of them were corrected to none, or refused. The label is what was believed before.
ALTER TABLE labelrounds.labels
    ADD COLUMN withdrawn boolean NOT NULL DEFAULT false,
    -- What a model learns it with; null = the confidence.
    ADD COLUMN weight real CHECK (weight >= 0 AND weight <= 1);

-- Answers that we refused after they were taken.
CREATE TABLE labelrounds.refusals (
    assignment_id uuid PRIMARY KEY REFERENCES labelrounds.assignments,
    reason text NOT NULL,
    refunded boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What each vendor says of each item by now.
CREATE VIEW labelrounds.current_annotations AS
SELECT a.* FROM labelrounds.annotations a
WHERE NOT EXISTS (SELECT FROM labelrounds.annotations later
                  WHERE later.assignment_id = a.assignment_id AND later.revision > a.revision)
  AND NOT EXISTS (SELECT FROM labelrounds.refusals f WHERE f.assignment_id = a.assignment_id);

ALTER TABLE labelrounds.rejects
    ADD COLUMN submission_id bigint,
    ADD COLUMN field text,
    ADD COLUMN client_annotation_id text;
CREATE INDEX rejects_vendor ON labelrounds.rejects (vendor_id, reject_id);
CREATE INDEX annotations_vendor ON labelrounds.annotations (vendor_id, received_at);

CREATE OR REPLACE VIEW labelrounds.balances AS
SELECT c.campaign_id,
       (coalesce(sum(l.amount_micro) FILTER (WHERE l.kind = 'settle'), 0)
        - coalesce(sum(l.amount_micro) FILTER (WHERE l.kind::text = 'refund'), 0))::bigint AS spent_micro,
       (coalesce(sum(l.amount_micro) FILTER (WHERE l.kind = 'reserve'), 0)
        - coalesce(sum(l.amount_micro) FILTER (WHERE l.kind IN ('settle', 'release')), 0))::bigint AS held_micro
FROM labelrounds.campaigns c LEFT JOIN labelrounds.ledger l USING (campaign_id)
GROUP BY c.campaign_id;

-- What others are to be told, in the order in which it happened; vendor_id null: for us.
CREATE TABLE labelrounds.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    vendor_id int REFERENCES labelrounds.vendors,
    kind text NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_vendor ON labelrounds.outbox (vendor_id, seq);

-- The class of the advisory locks on vendors' streams of messages.
CREATE FUNCTION labelrounds.stream_lock() RETURNS int LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS 'SELECT 1819435617';

-- A message gets its number when its writer is known to be at work on the stream: a reader that finds nobody at work
-- has seen all numbers up to the greatest. Writers share the lock, and wait for nobody but a reader's glance.
CREATE FUNCTION labelrounds.number_message() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(labelrounds.stream_lock(), NEW.vendor_id);
    NEW.seq := nextval('labelrounds.outbox_seq_seq');
    RETURN NEW;
END $$;
CREATE TRIGGER number_message BEFORE INSERT ON labelrounds.outbox
    FOR EACH ROW WHEN (NEW.vendor_id IS NOT NULL) EXECUTE FUNCTION labelrounds.number_message();

-- Logins of gateways: they name the vendor for whom they speak; all others speak for themselves.
CREATE TABLE labelrounds.gateway_logins (role name PRIMARY KEY);

-- What a connector remembers of a vendor's side; may be lost.
CREATE TABLE labelrounds.connector_cursors (
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    cursor jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (campaign_id, vendor_id)
);

ALTER TABLE labelrounds.events ADD COLUMN vendor_id int;

INSERT INTO labelrounds.transitions (kind, from_state, to_state, by) VALUES
    ('task', 'filled', 'void', 'rework: the answer was refused'),
    ('task', 'dead', 'ready', 'operator'),
    ('item', 'complete', 'open', 'rework, or a further answer is wanted'),
    ('campaign', 'running', 'paused', 'operator'),
    ('campaign', 'paused', 'running', 'operator');

-- One statement moves many tasks: its moves are checked and logged by one statement too. The plan is kept for later
-- calls, so a nested loop that is right for one row would be quadratic for thousands.
CREATE FUNCTION labelrounds.log_task_moves() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
DECLARE
    wrong record;
BEGIN
    WITH moved AS MATERIALIZED (
        SELECT n.task_id, o.state::text AS before, n.state::text AS after, coalesce(n.vendor_id, o.vendor_id) AS vendor_id
        FROM before_rows o JOIN after_rows n USING (task_id) WHERE o.state <> n.state),
    logged AS (
        INSERT INTO labelrounds.events (kind, object_id, from_state, to_state, vendor_id)
        SELECT 'task', m.task_id, m.before, m.after, m.vendor_id FROM moved m ORDER BY m.task_id)
    SELECT k.* INTO wrong FROM (SELECT m.before, m.after, min(m.task_id) AS task_id FROM moved m GROUP BY 1, 2) k
    WHERE NOT EXISTS (SELECT FROM labelrounds.transitions t
                      WHERE t.kind = 'task' AND t.from_state = k.before AND t.to_state = k.after);
    IF FOUND THEN
        RAISE EXCEPTION 'task % cannot go from % to %', wrong.task_id, wrong.before, wrong.after USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION labelrounds.log_item_moves() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
DECLARE
    wrong record;
BEGIN
    WITH moved AS MATERIALIZED (
        SELECT n.batch_item_id, o.state::text AS before, n.state::text AS after
        FROM before_rows o JOIN after_rows n USING (batch_item_id) WHERE o.state <> n.state),
    logged AS (
        INSERT INTO labelrounds.events (kind, object_id, from_state, to_state)
        SELECT 'item', m.batch_item_id, m.before, m.after FROM moved m ORDER BY m.batch_item_id)
    SELECT k.* INTO wrong
    FROM (SELECT m.before, m.after, min(m.batch_item_id) AS batch_item_id FROM moved m GROUP BY 1, 2) k
    WHERE NOT EXISTS (SELECT FROM labelrounds.transitions t
                      WHERE t.kind = 'item' AND t.from_state = k.before AND t.to_state = k.after);
    IF FOUND THEN
        RAISE EXCEPTION 'item % cannot go from % to %', wrong.batch_item_id, wrong.before, wrong.after
            USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER log_task ON labelrounds.tasks;
DROP TRIGGER log_item ON labelrounds.batch_items;
CREATE TRIGGER log_task AFTER UPDATE ON labelrounds.tasks
    REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.log_task_moves();
CREATE TRIGGER log_item AFTER UPDATE ON labelrounds.batch_items
    REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.log_item_moves();

CREATE FUNCTION labelrounds.log_pause() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO labelrounds.events (kind, object_id, from_state, to_state, detail)
    VALUES ('campaign', NEW.campaign_id,
            CASE WHEN OLD.paused_at IS NULL THEN 'running' ELSE 'paused' END,
            CASE WHEN NEW.paused_at IS NULL THEN 'running' ELSE 'paused' END, NEW.pause_reason);
    RETURN NULL;
END $$;
CREATE TRIGGER log_pause AFTER UPDATE OF paused_at ON labelrounds.campaigns
    FOR EACH ROW WHEN ((OLD.paused_at IS NULL) <> (NEW.paused_at IS NULL))
    EXECUTE FUNCTION labelrounds.log_pause();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.label_schemas
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.gold
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.refusals
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
