-- Webhooks out: what is written to the outbox is to be sent, in the same transaction, so that a crash between the two
-- loses nothing.

CREATE TYPE labelrounds.webhook_state AS ENUM (
    'active',
    'disabled'    -- The receiver said 410, or the operator: nothing is made for it any more
);

CREATE TYPE labelrounds.delivery_state AS ENUM (
    'pending',    -- To be sent at next_at
    'sent',       -- The receiver said 2xx
    'dead'        -- Given up after a day; the operator may send it again
);

CREATE TABLE labelrounds.webhooks (
    webhook_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor_id int REFERENCES labelrounds.vendors,            -- null: the operator's own
    url text NOT NULL,
    secrets text[] NOT NULL CHECK (cardinality(secrets) BETWEEN 1 AND 2),  -- the newest first; both sign
    kinds text[] NOT NULL DEFAULT '{}',                      -- empty: all
    state labelrounds.webhook_state NOT NULL DEFAULT 'active',
    reason text,
    held_by uuid,                                            -- the sender at work on it; until held_until
    held_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE labelrounds.deliveries (
    webhook_id int NOT NULL REFERENCES labelrounds.webhooks ON DELETE CASCADE,
    seq bigint NOT NULL REFERENCES labelrounds.outbox,
    state labelrounds.delivery_state NOT NULL DEFAULT 'pending',
    tries int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    give_up_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '24 hours',
    last_error text,
    settled_at timestamptz,
    PRIMARY KEY (webhook_id, seq)
);
CREATE INDEX deliveries_pending ON labelrounds.deliveries (webhook_id, seq) WHERE state = 'pending';

INSERT INTO labelrounds.transitions (kind, from_state, to_state, by) VALUES
    ('webhook', 'active', 'disabled', 'the receiver''s 410, or operator'),
    ('webhook', 'disabled', 'active', 'operator'),
    ('delivery', 'pending', 'sent', 'the receiver''s 2xx'),
    ('delivery', 'pending', 'dead', 'a day of failures, or the webhook is disabled'),
    ('delivery', 'dead', 'pending', 'operator: redeliver'),
    ('delivery', 'sent', 'pending', 'operator: redeliver');

CREATE FUNCTION labelrounds.check_sending() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind constant text := TG_ARGV[0];
    before text;
    why text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.state::text;
        IF NOT EXISTS (SELECT FROM labelrounds.transitions t
                       WHERE t.kind = TG_ARGV[0] AND t.from_state = before AND t.to_state = NEW.state::text) THEN
            RAISE EXCEPTION '% % cannot go from % to %', kind, NEW.webhook_id, before, NEW.state
                USING ERRCODE = '23514';
        END IF;
    END IF;
    IF kind = 'webhook' THEN why := coalesce(NEW.reason, NEW.url); ELSE why := 'event ' || NEW.seq; END IF;
    INSERT INTO labelrounds.events (kind, object_id, from_state, to_state, detail)
    VALUES (kind, NEW.webhook_id, before, NEW.state::text, why);
    RETURN NULL;
END $$;
CREATE TRIGGER log_webhook_new AFTER INSERT ON labelrounds.webhooks
    FOR EACH ROW EXECUTE FUNCTION labelrounds.check_sending('webhook');
CREATE TRIGGER log_webhook AFTER UPDATE ON labelrounds.webhooks
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION labelrounds.check_sending('webhook');
-- That something was sent is the rule and stands in the delivery; what was given up or asked for again is logged.
CREATE TRIGGER log_delivery AFTER UPDATE ON labelrounds.deliveries
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state <> 'sent')
    EXECUTE FUNCTION labelrounds.check_sending('delivery');

CREATE FUNCTION labelrounds.plan_deliveries() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO labelrounds.deliveries (webhook_id, seq)
    SELECT w.webhook_id, f.seq FROM fresh f
    JOIN labelrounds.webhooks w ON w.vendor_id IS NOT DISTINCT FROM f.vendor_id
    WHERE w.state = 'active' AND (w.kinds = '{}' OR f.kind = ANY (w.kinds));
    RETURN NULL;
END $$;
CREATE TRIGGER plan_deliveries AFTER INSERT ON labelrounds.outbox
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.plan_deliveries();

-- One webhook that has something due, held for the caller: a receiver gets its events one after the other, in their
-- order, and what fails is tried again before what follows. `holder` is the caller's own random id of this turn; the
-- hold lapses by itself when a sender dies. `moment` null is now: tests have a clock of their own.
-- While somebody is writing to the vendor's stream, an event with a lower number may still appear: then only what is
-- older than any transaction may be is sent.
CREATE FUNCTION gateway.take_deliveries(holder uuid, hold_seconds int, at_most int, moment timestamptz DEFAULT NULL)
RETURNS TABLE (webhook_id int, url text, secrets text[], seq bigint, id uuid, kind text, at timestamptz, body text,
               tries int) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_ constant timestamptz := coalesce(moment, clock_timestamp());
    old constant timestamptz := clock_timestamp() - interval '2 minutes';
    one record;
    settled bigint;
BEGIN
    FOR one IN
        SELECT w.webhook_id, w.vendor_id FROM labelrounds.webhooks w
        WHERE w.state = 'active' AND (w.held_until IS NULL OR w.held_until <= now_)
          AND (SELECT d.next_at FROM labelrounds.deliveries d
               WHERE d.webhook_id = w.webhook_id AND d.state = 'pending' ORDER BY d.seq LIMIT 1) <= now_
        ORDER BY w.held_until NULLS FIRST, w.webhook_id LIMIT 20
        FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        settled := 0;
        IF one.vendor_id IS NULL THEN
            settled := 9223372036854775807;
        ELSIF pg_try_advisory_lock(labelrounds.stream_lock(), one.vendor_id) THEN
            SELECT coalesce(max(o.seq), 0) INTO settled FROM labelrounds.outbox o WHERE o.vendor_id = one.vendor_id;
            PERFORM pg_advisory_unlock(labelrounds.stream_lock(), one.vendor_id);
        END IF;
        RETURN QUERY
            SELECT w.webhook_id, w.url, w.secrets, o.seq, o.id, o.kind, o.at, o.body::text, d.tries
            FROM labelrounds.deliveries d
            JOIN labelrounds.webhooks w ON w.webhook_id = d.webhook_id
            JOIN labelrounds.outbox o ON o.seq = d.seq
            WHERE d.webhook_id = one.webhook_id AND d.state = 'pending' AND (o.seq <= settled OR o.at < old)
            ORDER BY d.seq LIMIT at_most;
        IF FOUND THEN
            UPDATE labelrounds.webhooks w
            SET held_by = holder, held_until = now_ + make_interval(secs => hold_seconds)
            WHERE w.webhook_id = one.webhook_id;
            RETURN;
        END IF;
    END LOOP;
END $$;

-- What became of one try: 'sent', 'failed' (again in wait_seconds, or given up after a day), 'gone' (the receiver
-- wants no more). False when the hold went to another sender meanwhile: then its word counts.
CREATE FUNCTION gateway.settle_delivery(holder uuid, webhook_id int, seq bigint, outcome text, wait_seconds double precision,
                                        error text, hold_seconds int, moment timestamptz DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_ constant timestamptz := coalesce(moment, clock_timestamp());
BEGIN
    IF outcome NOT IN ('sent', 'failed', 'gone') THEN
        RAISE EXCEPTION 'a delivery is sent, failed or gone, not %', outcome USING ERRCODE = '22023';
    END IF;
    UPDATE labelrounds.webhooks w SET held_until = now_ + make_interval(secs => hold_seconds)
    WHERE w.webhook_id = settle_delivery.webhook_id AND w.held_by = holder;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE labelrounds.deliveries d
    SET tries = d.tries + 1,
        last_error = CASE WHEN outcome = 'sent' THEN NULL ELSE left(error, 500) END,
        next_at = now_ + make_interval(secs => wait_seconds),
        settled_at = CASE WHEN outcome <> 'failed' OR d.give_up_at <= now_ THEN now_ END,
        state = CASE WHEN outcome = 'sent' THEN CAST('sent' AS labelrounds.delivery_state)
                     WHEN outcome = 'gone' OR d.give_up_at <= now_ THEN 'dead'
                     ELSE 'pending' END
    WHERE d.webhook_id = settle_delivery.webhook_id AND d.seq = settle_delivery.seq AND d.state = 'pending';
    IF outcome = 'gone' THEN
        UPDATE labelrounds.webhooks w SET state = 'disabled', reason = left(error, 500)
        WHERE w.webhook_id = settle_delivery.webhook_id AND w.state = 'active';
        UPDATE labelrounds.deliveries d SET state = 'dead', settled_at = now_, last_error = 'the webhook was disabled'
        WHERE d.webhook_id = settle_delivery.webhook_id AND d.state = 'pending';
    END IF;
    RETURN true;
END $$;

-- The turn is over: another sender may take the webhook.
CREATE FUNCTION gateway.let_go(holder uuid, webhook_id int) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    UPDATE labelrounds.webhooks w SET held_by = NULL, held_until = NULL
    WHERE w.webhook_id = let_go.webhook_id AND w.held_by = holder
$$;

-- Figures for monitoring: no names, nothing of one vendor.
CREATE FUNCTION gateway.figures() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'tasks_ready', (SELECT count(*) FROM labelrounds.tasks WHERE state = 'ready'),
        'tasks_leased', (SELECT count(*) FROM labelrounds.tasks WHERE state = 'leased'),
        'tasks_lapsed', (SELECT count(*) FROM labelrounds.tasks
                         WHERE state = 'leased' AND expires_at < clock_timestamp()),
        'webhooks_disabled', (SELECT count(*) FROM labelrounds.webhooks WHERE state = 'disabled'),
        'deliveries_pending', (SELECT count(*) FROM labelrounds.deliveries WHERE state = 'pending'),
        'deliveries_dead', (SELECT count(*) FROM labelrounds.deliveries WHERE state = 'dead'),
        'oldest_delivery_seconds', (
            SELECT coalesce(extract(epoch FROM clock_timestamp() - min(o.at)), 0) FROM labelrounds.outbox o
            JOIN labelrounds.deliveries d ON d.seq = o.seq AND d.state = 'pending'))
$$;
