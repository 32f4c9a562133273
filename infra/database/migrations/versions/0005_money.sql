-- What a vendor is paid, in its own currency, and the rate at which that was converted into the budget's: kept with every
-- assignment, so that an invoice can be checked long after the file has changed.

SET LOCAL ROLE labelrounds_owner;

-- Soft stop rules do not stop rounds up to this number: a person said that the campaign is to go on.
ALTER TABLE labelrounds.campaigns ADD COLUMN resume_until int CHECK (resume_until >= 1);

CREATE TABLE labelrounds.terms (
    terms_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES labelrounds.campaigns,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    own_micro bigint NOT NULL CHECK (own_micro >= 0),        -- of one answer, in the vendor's currency
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    rate numeric NOT NULL CHECK (rate > 0),                  -- units of the budget's currency for one of the vendor's
    price_micro bigint NOT NULL,                             -- of one answer, in the budget's currency
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Rounded up: what is held is never less than what is owed.
    CHECK (price_micro = ceil(own_micro * rate)),
    UNIQUE (campaign_id, vendor_id, own_micro, currency, rate)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labelrounds.terms
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();

INSERT INTO labelrounds.terms (campaign_id, vendor_id, own_micro, currency, rate, price_micro)
SELECT cv.campaign_id, cv.vendor_id, cv.price_micro, coalesce(c.spec -> 'budget' ->> 'currency', 'USD'), 1, cv.price_micro
FROM labelrounds.campaign_vendors cv JOIN labelrounds.campaigns c USING (campaign_id);

ALTER TABLE labelrounds.campaign_vendors ADD COLUMN terms_id bigint REFERENCES labelrounds.terms;
UPDATE labelrounds.campaign_vendors cv SET terms_id = x.terms_id
FROM labelrounds.terms x WHERE x.campaign_id = cv.campaign_id AND x.vendor_id = cv.vendor_id;
ALTER TABLE labelrounds.campaign_vendors ALTER COLUMN terms_id SET NOT NULL;

-- Null for what was leased before terms were kept: its price is in the budget's currency.
ALTER TABLE labelrounds.assignments ADD COLUMN terms_id bigint REFERENCES labelrounds.terms;

-- What is owed to vendors and taken back from them, entry by entry: in the budget's currency, as the ledger has it, and in
-- the vendor's own. A task that was published at a lower price is paid that; its own amount is that part of the price.
CREATE VIEW labelrounds.owed AS
SELECT l.entry_id, l.campaign_id, l.round_id, l.task_id, l.vendor_id, l.at, a.terms_id, s.sign::int AS answers,
       s.sign * l.amount_micro AS amount_micro,
       coalesce(x.currency, c.spec -> 'budget' ->> 'currency', 'USD') AS currency,
       (s.sign * CASE WHEN x.terms_id IS NULL THEN l.amount_micro
                      WHEN l.amount_micro = x.price_micro THEN x.own_micro
                      ELSE floor(l.amount_micro / x.rate) END)::bigint AS own_micro
FROM labelrounds.ledger l
JOIN labelrounds.campaigns c USING (campaign_id)
JOIN labelrounds.tasks t USING (task_id)
JOIN labelrounds.assignments a ON a.assignment_id = t.assignment_id
LEFT JOIN labelrounds.terms x ON x.terms_id = a.terms_id
CROSS JOIN LATERAL (SELECT CASE l.kind::text WHEN 'settle' THEN 1 ELSE -1 END AS sign) s
WHERE l.kind::text IN ('settle', 'refund');

DROP FUNCTION labelrounds.claim(int, uuid, bigint, bigint, int, timestamptz, bigint);

-- Claim up to `room` free tasks of one campaign. One campaign at a time and no join: the index then gives them in
-- order, and a call costs what it takes, not what is there. `OFFSET 0` keeps the probe of `seen` a probe. Price and terms
-- are read at once and before anything moves, so that each assignment has the terms that its price follows from.
CREATE FUNCTION labelrounds.claim(v int, lease uuid, wanted bigint, low bigint, room int, until timestamptz)
RETURNS int LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    offer labelrounds.campaign_vendors;
    got int;
BEGIN
    SELECT * INTO offer FROM labelrounds.campaign_vendors cv WHERE cv.campaign_id = wanted AND cv.vendor_id = v;
    IF NOT FOUND THEN RETURN 0; END IF;
    WITH candidates AS MATERIALIZED (
        SELECT t.task_id, t.batch_item_id, t.exclusive FROM labelrounds.tasks t
        WHERE t.state = 'ready' AND t.campaign_id = wanted AND t.pick_key >= low
          AND (t.eligible IS NULL OR v = ANY (t.eligible))
          AND NOT EXISTS (SELECT 1 FROM labelrounds.seen s
                          WHERE s.batch_item_id = t.batch_item_id AND s.vendor_id = v OFFSET 0)
        ORDER BY t.pick_key, t.task_id LIMIT room
        FOR UPDATE OF t SKIP LOCKED),
    one_each AS MATERIALIZED (
        SELECT DISTINCT ON (c.batch_item_id) c.task_id, c.batch_item_id, c.exclusive FROM candidates c
        ORDER BY c.batch_item_id, c.task_id),
    fresh AS (
        INSERT INTO labelrounds.seen (batch_item_id, vendor_id)
        SELECT o.batch_item_id, v FROM one_each o WHERE o.exclusive
        ON CONFLICT DO NOTHING RETURNING batch_item_id),
    taken AS (
        UPDATE labelrounds.tasks t
        SET state = 'leased', vendor_id = v, assignment_id = gen_random_uuid(), expires_at = until,
            attempts = t.attempts + 1
        -- An array, not a join: the index is used, whatever is known of the tables' sizes.
        WHERE t.task_id = ANY (ARRAY(
            SELECT o.task_id FROM one_each o LEFT JOIN fresh f USING (batch_item_id)
            WHERE NOT o.exclusive OR f.batch_item_id IS NOT NULL))
        RETURNING t.task_id, t.batch_item_id, t.assignment_id, t.attempts, t.price_micro)
    INSERT INTO labelrounds.assignments
        (assignment_id, lease_id, task_id, batch_item_id, vendor_id, epoch, price_micro, terms_id, expires_at)
    SELECT k.assignment_id, lease, k.task_id, k.batch_item_id, v, k.attempts, least(offer.price_micro, k.price_micro),
           offer.terms_id, until
    FROM taken k;
    GET DIAGNOSTICS got = ROW_COUNT;
    RETURN got;
END $$;

-- Take up to max_tasks tasks until a deadline; the campaign that is due first goes first. The same request id gives
-- the same tasks again. With nothing free the list is empty, and retry_after_s says when to come back.
CREATE OR REPLACE FUNCTION vendor.lease(
    request uuid, max_tasks int DEFAULT 100, ttl_seconds int DEFAULT NULL, campaign text DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_variable
DECLARE
    v labelrounds.vendors := labelrounds.calling_vendor(false);
    before labelrounds.leases;
    fresh uuid := gen_random_uuid();
    room int;
    got int;
    total int := 0;
    offered record;
    back_at timestamptz;
BEGIN
    IF request IS NULL OR max_tasks IS NULL OR max_tasks NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a lease needs a request id and 1 to 1000 tasks, not % and %', request, max_tasks
            USING ERRCODE = '22023';
    ELSIF ttl_seconds < 1 THEN
        RAISE EXCEPTION 'a lease lasts a second or more, not %', ttl_seconds USING ERRCODE = '22023';
    END IF;
    SELECT * INTO before FROM labelrounds.leases l WHERE l.vendor_id = v.vendor_id AND l.request_id = request;
    IF before.lease_id IS NOT NULL THEN
        IF before.asked <> max_tasks OR before.ttl_seconds IS DISTINCT FROM ttl_seconds
            OR before.campaign IS DISTINCT FROM campaign THEN
            RAISE EXCEPTION 'request % was used for another lease', request USING ERRCODE = 'LR409';
        END IF;
        RETURN labelrounds.lease_shown(v, before.lease_id);
    END IF;
    SELECT least(max_tasks, v.max_open - count(*)) INTO room FROM labelrounds.tasks t
    WHERE t.vendor_id = v.vendor_id AND t.state = 'leased';
    FOR offered IN
        SELECT cv.campaign_id, cv.lease, r.pick_low,
               cv.max_open - (SELECT count(*) FROM labelrounds.tasks t
                              WHERE cv.max_open IS NOT NULL AND t.vendor_id = v.vendor_id AND t.state = 'leased'
                                AND t.campaign_id = cv.campaign_id) AS own_room
        FROM labelrounds.campaign_vendors cv
        JOIN labelrounds.rounds r ON r.campaign_id = cv.campaign_id AND r.state = 'published'
        JOIN labelrounds.campaigns c ON c.campaign_id = cv.campaign_id
        WHERE cv.vendor_id = v.vendor_id AND c.paused_at IS NULL AND (campaign IS NULL OR c.name = campaign)
        ORDER BY r.due_at, r.round_id
    LOOP
        EXIT WHEN room <= 0;
        CONTINUE WHEN offered.own_room <= 0;
        got := labelrounds.claim(
            v.vendor_id, fresh, offered.campaign_id, offered.pick_low, least(room, offered.own_room)::int,
            clock_timestamp() + least(offered.lease, make_interval(secs => ttl_seconds)));
        room := room - got;
        total := total + got;
    END LOOP;
    IF total > 0 THEN
        INSERT INTO labelrounds.leases (lease_id, vendor_id, request_id, asked, ttl_seconds, campaign)
        VALUES (fresh, v.vendor_id, request, max_tasks, ttl_seconds, campaign);
        RETURN labelrounds.lease_shown(v, fresh);
    END IF;
    SELECT min(t.expires_at) INTO back_at FROM labelrounds.tasks t WHERE t.state = 'leased';
    RETURN jsonb_build_object('lease_id', NULL, 'expires_at', NULL, 'tasks', '[]'::jsonb,
        'retry_after_s', greatest(5, least(60, coalesce(ceil(extract(epoch FROM back_at - clock_timestamp())), 60)))::int);
END $$;

-- What a vendor leased, answered and earned in a span of time, its money in its own currency.
CREATE OR REPLACE FUNCTION labelrounds.vendor_figures(v int, since timestamptz, until timestamptz) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH claimed AS (
        SELECT a.assignment_id, a.expires_at, a.price_micro, a.task_id, l.issued_at,
               n.received_at, n.disposition, t.state = 'leased' AND t.assignment_id = a.assignment_id AS open
        FROM labelrounds.leases l
        JOIN labelrounds.assignments a USING (lease_id)
        JOIN labelrounds.tasks t ON t.task_id = a.task_id
        LEFT JOIN labelrounds.annotations n ON n.assignment_id = a.assignment_id AND n.revision = 1
        WHERE l.vendor_id = v AND l.issued_at >= since AND l.issued_at < until),
    paid AS (SELECT o.currency, o.own_micro FROM labelrounds.owed o
             WHERE o.vendor_id = v AND o.at >= since AND o.at < until),
    answered AS (SELECT *, extract(epoch FROM received_at - issued_at) AS took FROM claimed WHERE received_at IS NOT NULL)
    SELECT jsonb_build_object(
        'since', since, 'until', until,
        'leased', (SELECT count(*) FROM claimed), 'open', (SELECT count(*) FROM claimed WHERE open),
        'answered', (SELECT count(*) FROM answered),
        'on_time', (SELECT count(*) FROM answered WHERE disposition = 'accepted'),
        'late', (SELECT count(*) FROM answered WHERE disposition = 'late_accepted'),
        'surplus', (SELECT count(*) FROM answered WHERE disposition = 'surplus'),
        'unanswered', (SELECT count(*) FROM claimed WHERE received_at IS NULL AND NOT open),
        'corrected', (SELECT count(*) FROM labelrounds.annotations n JOIN claimed USING (assignment_id) WHERE n.revision > 1),
        'refused', (SELECT count(*) FROM labelrounds.refusals f JOIN claimed USING (assignment_id)),
        'rejected', (SELECT coalesce(jsonb_object_agg(x.code, x.n), '{}') FROM (
            SELECT r.code, count(*) AS n FROM labelrounds.rejects r
            WHERE r.vendor_id = v AND r.at >= since AND r.at < until GROUP BY 1) x),
        'turnaround_s', (SELECT jsonb_build_object(
            'p50', percentile_cont(.5) WITHIN GROUP (ORDER BY took), 'p90', percentile_cont(.9) WITHIN GROUP (ORDER BY took),
            'p99', percentile_cont(.99) WITHIN GROUP (ORDER BY took)) FROM answered),
        -- What it may invoice: by currency, and as one number while it is one currency.
        'earned', (SELECT CASE WHEN count(DISTINCT o.currency) < 2 THEN coalesce(sum(o.own_micro), 0) / 1e6 END FROM paid o),
        'earnings', (SELECT coalesce(jsonb_object_agg(x.currency, x.own_micro / 1e6), '{}') FROM (
            SELECT o.currency, sum(o.own_micro) AS own_micro FROM paid o GROUP BY 1) x))
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA labelrounds, vendor FROM PUBLIC;
