-- The tables of labelrounds. Statuses are enums with a comment per value; what happened is in `events`,
-- which only grows; money is in micro units of the campaign's currency; times are clock_timestamp().

CREATE TYPE labelrounds.round_state AS ENUM (
    'opened',     -- The round exists; its pool is being listed, or a model trained
    'trained',    -- Manifest, labels, features and (unless cold start) model are stored and measured
    'scored',     -- The bounded shortlist and the audit draw are stored
    'published',  -- Batch, tasks and budget reservation are committed; vendors work
    'closed',     -- Its labels are in, or its time is over
    'stopped',    -- A stop rule fired after measuring: nothing was published
    'failed'      -- It could not go on; the reason says why; nothing was spent
);

CREATE TYPE labelrounds.task_state AS ENUM (
    'ready',      -- Free to be leased
    'leased',     -- A vendor holds it until expires_at
    'filled',     -- Answered
    'dead',       -- Leased too often without an answer
    'cancelled'   -- No longer wanted; its reservation was released
);

CREATE TYPE labelrounds.item_state AS ENUM (
    'open',       -- Answers are missing
    'complete',   -- As many answers as were wanted
    'cancelled'   -- Withdrawn without a label: free for a later round
);

CREATE TYPE labelrounds.item_kind AS ENUM (
    'work',       -- Chosen by the strategy
    'audit'       -- Drawn at random to measure; never trained on
);

CREATE TYPE labelrounds.label_kind AS ENUM (
    'seed',       -- Known before the first round; not paid
    'work',
    'audit'
);

CREATE TYPE labelrounds.vendor_state AS ENUM ('active', 'suspended', 'closed');

CREATE TYPE labelrounds.disposition AS ENUM (
    'accepted',       -- In time: fills its task
    'late_accepted',  -- After the lease lapsed, while the task was still free
    'surplus'         -- Kept, but the task was filled by another or withdrawn; not paid
);

CREATE TYPE labelrounds.entry_kind AS ENUM (
    'reserve',    -- Held for a task when it is published
    'settle',     -- Owed to the vendor for an accepted answer
    'release'     -- Given back: the task was cancelled, or cost less than was held
);

CREATE TABLE labelrounds.campaigns (
    campaign_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    key uuid NOT NULL DEFAULT gen_random_uuid(),  -- tells it from campaigns of that name in other databases
    spec jsonb NOT NULL,               -- the campaign file of the newest round
    spec_digest text NOT NULL,
    stop_reason text,                  -- null while the campaign runs
    experiment_id text,                -- MLflow
    mlflow_run_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE labelrounds.rounds (
    round_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    number int NOT NULL CHECK (number >= 1),
    state labelrounds.round_state NOT NULL DEFAULT 'opened',
    reason text,                       -- why it stopped or failed
    spec jsonb NOT NULL,               -- the campaign file as it was when the round opened
    spec_digest text NOT NULL,
    manifest jsonb,                    -- references: {"uri", "sha256", "rows"}
    labels jsonb,
    features jsonb,
    model jsonb,                       -- null after a cold start
    measures jsonb,                    -- estimates with intervals, stop signals
    shortlist jsonb,
    audit jsonb,
    batch jsonb,
    device text,                       -- that the model was really trained on
    mlflow_run_id text,
    model_version text,
    tracked_at timestamptz,            -- MLflow has everything of this round
    flow_run_id text,                  -- the Prefect flow run that drove it last
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    due_at timestamptz,                -- when what is still missing is cancelled
    closed_at timestamptz,
    UNIQUE (campaign_id, number)
);
-- Two rounds of one campaign never at once: the database is the lock, not the scheduler.
CREATE UNIQUE INDEX one_open_round ON labelrounds.rounds (campaign_id)
    WHERE state NOT IN ('closed', 'stopped', 'failed');

CREATE TABLE labelrounds.vendors (
    vendor_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    db_role text UNIQUE,               -- its own login, where it has one
    state labelrounds.vendor_state NOT NULL DEFAULT 'active',
    max_open int NOT NULL DEFAULT 1000 CHECK (max_open > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE labelrounds.campaign_vendors (
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    price_micro bigint NOT NULL CHECK (price_micro >= 0),
    lease interval NOT NULL,
    PRIMARY KEY (campaign_id, vendor_id)
);

CREATE TABLE labelrounds.batch_items (
    batch_item_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    round_id bigint NOT NULL REFERENCES labelrounds.rounds,
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    item_id text NOT NULL,
    kind labelrounds.item_kind NOT NULL,
    payload jsonb NOT NULL,            -- all that a vendor may see
    rank int NOT NULL,                 -- 1 = most worth labeling, in its kind
    score real,
    reason jsonb NOT NULL,             -- why it was chosen
    inclusion_probability double precision CHECK (inclusion_probability > 0 AND inclusion_probability <= 1),
    n_need smallint NOT NULL CHECK (n_need BETWEEN 1 AND 15),
    n_filled smallint NOT NULL DEFAULT 0 CHECK (n_filled >= 0),
    state labelrounds.item_state NOT NULL DEFAULT 'open'
);
-- No item is chosen twice in a campaign, whatever crashes.
CREATE UNIQUE INDEX one_choice ON labelrounds.batch_items (campaign_id, item_id) WHERE state <> 'cancelled';
CREATE INDEX batch_items_round ON labelrounds.batch_items (round_id, state);

CREATE TABLE labelrounds.tasks (
    task_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_item_id bigint NOT NULL REFERENCES labelrounds.batch_items,
    task_no smallint NOT NULL,
    round_id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    state labelrounds.task_state NOT NULL DEFAULT 'ready',
    pick_key bigint NOT NULL,          -- breadth first by task_no, then an order that tells a vendor nothing
    price_micro bigint NOT NULL CHECK (price_micro >= 0),  -- what is held for it
    vendor_id int REFERENCES labelrounds.vendors,
    assignment_id uuid,
    expires_at timestamptz,
    attempts smallint NOT NULL DEFAULT 0,
    UNIQUE (batch_item_id, task_no),
    CHECK ((state = 'leased') = (expires_at IS NOT NULL)),
    CHECK (state NOT IN ('leased', 'filled') OR (vendor_id IS NOT NULL AND assignment_id IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX tasks_ready ON labelrounds.tasks (campaign_id, pick_key, task_id) WHERE state = 'ready';
CREATE INDEX tasks_leased ON labelrounds.tasks (expires_at) WHERE state = 'leased';
CREATE INDEX tasks_held ON labelrounds.tasks (vendor_id) WHERE state = 'leased';
CREATE INDEX tasks_round ON labelrounds.tasks (round_id, state);
CREATE UNIQUE INDEX one_task_per_vendor ON labelrounds.tasks (batch_item_id, vendor_id)
    WHERE state IN ('leased', 'filled');

-- Which vendor holds or has answered which item: the claim probes this one narrow table.
CREATE TABLE labelrounds.seen (
    batch_item_id bigint NOT NULL,
    vendor_id int NOT NULL,
    PRIMARY KEY (batch_item_id, vendor_id)
);

CREATE TABLE labelrounds.leases (
    lease_id uuid PRIMARY KEY,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    request_id uuid NOT NULL,
    asked int NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (vendor_id, request_id)
);

-- One row a claim, never edited; its fresh id is the fence against a stale holder.
CREATE TABLE labelrounds.assignments (
    assignment_id uuid PRIMARY KEY,
    lease_id uuid NOT NULL REFERENCES labelrounds.leases,
    task_id bigint NOT NULL REFERENCES labelrounds.tasks,
    batch_item_id bigint NOT NULL,
    vendor_id int NOT NULL,
    epoch smallint NOT NULL,
    price_micro bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (task_id, epoch)
);
CREATE INDEX assignments_lease ON labelrounds.assignments (lease_id);

CREATE TABLE labelrounds.submissions (
    submission_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    request_id uuid NOT NULL,
    body_sha256 bytea NOT NULL,
    response jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (vendor_id, request_id)
);

CREATE TABLE labelrounds.annotations (
    annotation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    request_id uuid NOT NULL,          -- the submission that brought it
    assignment_id uuid NOT NULL UNIQUE REFERENCES labelrounds.assignments,
    batch_item_id bigint NOT NULL REFERENCES labelrounds.batch_items,
    task_id bigint NOT NULL REFERENCES labelrounds.tasks,
    annotator text,
    answer text NOT NULL CHECK (answer IN ('label', 'skip')),
    label text CHECK ((answer = 'label') = (label IS NOT NULL)),
    disposition labelrounds.disposition NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX one_answer_per_task ON labelrounds.annotations (task_id) WHERE disposition <> 'surplus';
CREATE INDEX annotations_item ON labelrounds.annotations (batch_item_id);

-- Rows of a submission that could not be taken: kept, so that nothing a vendor sent is lost.
CREATE TABLE labelrounds.rejects (
    reject_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    request_id uuid NOT NULL,
    row_no int NOT NULL,
    code text NOT NULL,
    raw jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What is believed of an item; a change of belief is a new version.
CREATE TABLE labelrounds.labels (
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    item_id text NOT NULL,
    version int NOT NULL CHECK (version >= 1),
    kind labelrounds.label_kind NOT NULL,
    label text NOT NULL,
    confidence real NOT NULL CHECK (confidence >= 0 AND confidence <= 1),
    n_answers int NOT NULL,
    method text NOT NULL,
    inputs bigint[] NOT NULL DEFAULT '{}',  -- annotation ids
    round_id bigint REFERENCES labelrounds.rounds,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (campaign_id, item_id, version)
);

CREATE TABLE labelrounds.ledger (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    round_id bigint NOT NULL REFERENCES labelrounds.rounds,
    task_id bigint NOT NULL REFERENCES labelrounds.tasks,
    vendor_id int REFERENCES labelrounds.vendors,
    kind labelrounds.entry_kind NOT NULL,
    amount_micro bigint NOT NULL CHECK (amount_micro >= 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (task_id, kind)             -- none paid twice
);
CREATE INDEX ledger_campaign ON labelrounds.ledger (campaign_id, kind);

CREATE VIEW labelrounds.balances AS
SELECT c.campaign_id,
       coalesce(sum(l.amount_micro) FILTER (WHERE l.kind = 'settle'), 0)::bigint AS spent_micro,
       (coalesce(sum(l.amount_micro) FILTER (WHERE l.kind = 'reserve'), 0)
        - coalesce(sum(l.amount_micro) FILTER (WHERE l.kind IN ('settle', 'release')), 0))::bigint AS held_micro
FROM labelrounds.campaigns c LEFT JOIN labelrounds.ledger l USING (campaign_id)
GROUP BY c.campaign_id;

CREATE TABLE labelrounds.events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL DEFAULT session_user,
    kind text NOT NULL,                -- 'round', 'task', 'item', 'vendor'
    object_id bigint NOT NULL,
    from_state text,
    to_state text NOT NULL,
    detail text
);

-- Every state change that is allowed. Anything else is refused, whoever asks.
CREATE TABLE labelrounds.transitions (
    kind text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    by text NOT NULL,
    PRIMARY KEY (kind, from_state, to_state)
);
INSERT INTO labelrounds.transitions (kind, from_state, to_state, by) VALUES
    ('round', 'opened', 'trained', 'the step train'),
    ('round', 'trained', 'scored', 'the step score'),
    ('round', 'scored', 'published', 'the step publish'),
    ('round', 'published', 'closed', 'collect: labels are in or time is over'),
    ('round', 'trained', 'stopped', 'a stop rule'),
    ('round', 'scored', 'stopped', 'the pool or the budget is used up'),
    ('round', 'opened', 'failed', 'an error that trying again does not cure'),
    ('round', 'trained', 'failed', 'an error that trying again does not cure'),
    ('round', 'scored', 'failed', 'an error that trying again does not cure'),
    ('item', 'open', 'complete', 'submit, or collect at the due time'),
    ('item', 'open', 'cancelled', 'collect at the due time'),
    ('task', 'ready', 'leased', 'lease'),
    ('task', 'leased', 'filled', 'submit with the matching assignment'),
    ('task', 'leased', 'ready', 'expire'),
    ('task', 'leased', 'dead', 'expire after too many attempts'),
    ('task', 'ready', 'filled', 'a late answer while the task is free'),
    ('task', 'dead', 'filled', 'a late answer'),
    ('task', 'ready', 'cancelled', 'collect at the due time'),
    ('task', 'leased', 'cancelled', 'collect at the due time'),
    ('task', 'dead', 'cancelled', 'collect at the due time'),
    ('vendor', 'active', 'suspended', 'operator'),
    ('vendor', 'suspended', 'active', 'operator'),
    ('vendor', 'active', 'closed', 'operator'),
    ('vendor', 'suspended', 'closed', 'operator');

CREATE FUNCTION labelrounds.check_and_log() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind text := TG_ARGV[0];
    key bigint;
    before text;
    why text;
BEGIN
    -- Field by field: a row as a whole has a payload, which would be unpacked for nothing.
    IF kind = 'task' THEN key := NEW.task_id;
    ELSIF kind = 'item' THEN key := NEW.batch_item_id;
    ELSIF kind = 'round' THEN key := NEW.round_id; why := NEW.reason;
    ELSE key := NEW.vendor_id;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        before := OLD.state::text;
        IF NOT EXISTS (SELECT 1 FROM labelrounds.transitions t
                       WHERE t.kind = TG_ARGV[0] AND t.from_state = before AND t.to_state = NEW.state::text) THEN
            RAISE EXCEPTION '% % cannot go from % to %', kind, key, before, NEW.state USING ERRCODE = '23514';
        END IF;
    END IF;
    INSERT INTO labelrounds.events (kind, object_id, from_state, to_state, detail)
    VALUES (kind, key, before, NEW.state::text, why);
    RETURN NULL;
END $$;

CREATE TRIGGER log_round AFTER INSERT OR UPDATE OF state ON labelrounds.rounds
    FOR EACH ROW EXECUTE FUNCTION labelrounds.check_and_log('round');
CREATE TRIGGER log_vendor AFTER INSERT OR UPDATE OF state ON labelrounds.vendors
    FOR EACH ROW EXECUTE FUNCTION labelrounds.check_and_log('vendor');
-- Tasks and items are born in bulk by publish, which is an event of the round: only their moves are logged.
CREATE TRIGGER log_task AFTER UPDATE OF state ON labelrounds.tasks
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION labelrounds.check_and_log('task');
CREATE TRIGGER log_item AFTER UPDATE OF state ON labelrounds.batch_items
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION labelrounds.check_and_log('item');

CREATE FUNCTION labelrounds.refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '23514';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.leases
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.assignments
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.submissions
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.annotations
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.rejects
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.labels
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.events
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();
