-- The vendors' door, as docs/vendors.md describes it. All functions run with the owner's rights, name every object with
-- its schema, pin search_path, and use neither temporary tables nor dynamic SQL. Times are the database's own.

DROP FUNCTION vendor.lease(uuid, int);
DROP FUNCTION vendor.submit(uuid, jsonb);
DROP FUNCTION labelrounds.take_answer(int, uuid, jsonb);
DROP FUNCTION labelrounds.claim(int, uuid, labelrounds.campaign_vendors, int);
DROP FUNCTION labelrounds.calling_vendor();

-- Who calls: the vendor of this login; a gateway, and who owns the schema, says for whom it speaks.
CREATE FUNCTION labelrounds.caller() RETURNS int LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN EXISTS (SELECT FROM labelrounds.gateway_logins g WHERE g.role = session_user)
             OR pg_has_role(session_user, 'labelrounds_owner', 'MEMBER')
        THEN nullif(current_setting('labelrounds.vendor_id', true), '')::int
        ELSE (SELECT vendor_id FROM labelrounds.vendors WHERE db_role = session_user) END
$$;

-- The caller's row, locked until its transaction ends: a vendor's own calls queue up, so its cap is exact and a
-- request that is sent twice at once is answered twice the same.
CREATE FUNCTION labelrounds.calling_vendor(even_suspended boolean) RETURNS labelrounds.vendors LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v labelrounds.vendors;
BEGIN
    -- With an older snapshot, what this vendor's own other calls did would be invisible behind the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'call this in a transaction with the isolation level READ COMMITTED' USING ERRCODE = '25001';
    END IF;
    SELECT * INTO v FROM labelrounds.vendors WHERE vendor_id = labelrounds.caller() FOR NO KEY UPDATE;
    IF v.vendor_id IS NULL OR v.state = 'closed' OR (v.state = 'suspended' AND NOT even_suspended) THEN
        RAISE EXCEPTION 'this login is no active vendor' USING ERRCODE = '42501';
    END IF;
    RETURN v;
END $$;

-- For calls that only read: nothing is locked.
CREATE FUNCTION labelrounds.reading_vendor() RETURNS labelrounds.vendors LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v labelrounds.vendors;
BEGIN
    SELECT * INTO v FROM labelrounds.vendors WHERE vendor_id = labelrounds.caller() AND state <> 'closed';
    IF v.vendor_id IS NULL THEN
        RAISE EXCEPTION 'this login is no active vendor' USING ERRCODE = '42501';
    END IF;
    RETURN v;
END $$;

-- A vendor's own name of an item: the same for all tasks of it that this vendor sees, and for nobody else.
CREATE FUNCTION labelrounds.item_name(vendor_key uuid, item bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT substr(encode(sha256(convert_to(vendor_key::text || item::text, 'UTF8')), 'hex'), 1, 32)::uuid
$$;

-- The answer that was given to a request before, if any.
CREATE FUNCTION labelrounds.answered_before(v int, request uuid, called text, body bytea) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before labelrounds.submissions;
BEGIN
    SELECT * INTO before FROM labelrounds.submissions s WHERE s.vendor_id = v AND s.request_id = request;
    IF before.submission_id IS NOT NULL AND (before.body_sha256 <> body OR before.call <> called) THEN
        RAISE EXCEPTION 'request % was used for something else', request USING ERRCODE = 'LR409';
    END IF;
    RETURN before.response;
END $$;

-- Claim up to `room` free tasks of one campaign. One campaign at a time and no join: the index then gives them in
-- order, and a call costs what it takes, not what is there. `OFFSET 0` keeps the probe of `seen` a probe.
CREATE FUNCTION labelrounds.claim(
    v int, lease uuid, wanted bigint, low bigint, room int, until timestamptz, price bigint
) RETURNS int LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    got int;
BEGIN
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
        (assignment_id, lease_id, task_id, batch_item_id, vendor_id, epoch, price_micro, expires_at)
    SELECT k.assignment_id, lease, k.task_id, k.batch_item_id, v, k.attempts, least(price, k.price_micro), until
    FROM taken k;
    GET DIAGNOSTICS got = ROW_COUNT;
    RETURN got;
END $$;

-- A lease as its vendor is told of it. The order within a priority is that of random ids. `OFFSET 0` has each item looked
-- up by its key: without statistics a join may go through all items of the round.
CREATE FUNCTION labelrounds.lease_shown(v labelrounds.vendors, lease uuid) RETURNS jsonb LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'lease_id', lease, 'expires_at', min(a.expires_at), 'retry_after_s', 0,
        'tasks', jsonb_agg(jsonb_build_object(
            'assignment_id', a.assignment_id, 'item', labelrounds.item_name(v.key, a.batch_item_id),
            'campaign', c.name, 'payload', i.payload, 'priority', i.priority,
            'schema', jsonb_build_object('id', c.name, 'version', s.version), 'task', s.task, 'classes', s.classes,
            'expires_at', a.expires_at, 'due_at', r.due_at) ORDER BY i.priority, a.assignment_id))
    FROM labelrounds.assignments a
    CROSS JOIN LATERAL (SELECT x.payload, x.priority, x.round_id FROM labelrounds.batch_items x
                        WHERE x.batch_item_id = a.batch_item_id OFFSET 0) i
    JOIN labelrounds.rounds r ON r.round_id = i.round_id
    JOIN labelrounds.campaigns c ON c.campaign_id = r.campaign_id
    JOIN labelrounds.label_schemas s ON s.campaign_id = r.campaign_id AND s.version = r.schema_version
    WHERE a.lease_id = lease
$$;

-- Take up to max_tasks tasks until a deadline; the campaign that is due first goes first. The same request id gives
-- the same tasks again. With nothing free the list is empty, and retry_after_s says when to come back.
CREATE FUNCTION vendor.lease(
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
        SELECT cv.campaign_id, cv.price_micro, cv.lease, r.pick_low,
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
            clock_timestamp() + least(offered.lease, make_interval(secs => ttl_seconds)), offered.price_micro);
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

-- Hold the open tasks of a lease longer: `ttl_seconds` from now, at most what the campaign allows, never less than now.
CREATE FUNCTION vendor.extend(request uuid, lease uuid, ttl_seconds int DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_variable
DECLARE
    v labelrounds.vendors := labelrounds.calling_vendor(false);
    body bytea := sha256(convert_to(jsonb_build_array(lease, ttl_seconds)::text, 'UTF8'));
    response jsonb;
BEGIN
    IF request IS NULL OR lease IS NULL OR ttl_seconds < 1 THEN
        RAISE EXCEPTION 'to extend takes a request id, a lease and a second or more' USING ERRCODE = '22023';
    END IF;
    response := labelrounds.answered_before(v.vendor_id, request, 'extend', body);
    IF response IS NOT NULL THEN RETURN response; END IF;
    PERFORM FROM labelrounds.leases l WHERE l.lease_id = lease AND l.vendor_id = v.vendor_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no lease % of yours', lease USING ERRCODE = 'LR404';
    END IF;
    WITH held AS MATERIALIZED (
        SELECT t.task_id, cv.lease AS longest FROM labelrounds.tasks t
        JOIN labelrounds.assignments a ON a.assignment_id = t.assignment_id AND a.lease_id = lease
        JOIN labelrounds.campaign_vendors cv ON cv.campaign_id = t.campaign_id AND cv.vendor_id = v.vendor_id
        WHERE t.vendor_id = v.vendor_id AND t.state = 'leased'
        ORDER BY t.task_id FOR UPDATE OF t SKIP LOCKED),
    longer AS (
        UPDATE labelrounds.tasks t SET expires_at = greatest(
            t.expires_at, clock_timestamp() + least(h.longest, make_interval(secs => ttl_seconds)))
        FROM held h WHERE t.task_id = h.task_id RETURNING t.expires_at)
    SELECT jsonb_build_object('lease_id', lease, 'expires_at', min(x.expires_at), 'extended', count(*))
    INTO response FROM longer x;
    INSERT INTO labelrounds.submissions (vendor_id, request_id, body_sha256, response, call)
    VALUES (v.vendor_id, request, body, response, 'extend');
    RETURN response;
END $$;

-- Give tasks of a lease back, all open ones by default: they are free at once, for the same vendor too.
CREATE FUNCTION vendor.release(
    request uuid, lease uuid, assignments uuid[] DEFAULT NULL, reason text DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_variable
DECLARE
    v labelrounds.vendors := labelrounds.calling_vendor(true);
    body bytea := sha256(convert_to(jsonb_build_array(lease, assignments, reason)::text, 'UTF8'));
    response jsonb;
    given bigint[];
BEGIN
    IF request IS NULL OR lease IS NULL THEN
        RAISE EXCEPTION 'to give back takes a request id and a lease' USING ERRCODE = '22023';
    END IF;
    response := labelrounds.answered_before(v.vendor_id, request, 'release', body);
    IF response IS NOT NULL THEN RETURN response; END IF;
    PERFORM FROM labelrounds.leases l WHERE l.lease_id = lease AND l.vendor_id = v.vendor_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no lease % of yours', lease USING ERRCODE = 'LR404';
    END IF;
    SELECT array_agg(x.task_id) INTO given FROM (
        SELECT t.task_id FROM labelrounds.tasks t
        JOIN labelrounds.assignments a ON a.assignment_id = t.assignment_id AND a.lease_id = lease
        WHERE t.vendor_id = v.vendor_id AND t.state = 'leased'
          AND (assignments IS NULL OR a.assignment_id = ANY (assignments))
        ORDER BY t.task_id FOR UPDATE OF t SKIP LOCKED) x;
    PERFORM labelrounds.give_back(given);
    response := jsonb_build_object('lease_id', lease, 'released', coalesce(cardinality(given), 0));
    INSERT INTO labelrounds.events (kind, object_id, to_state, detail, vendor_id)
    SELECT 'lease', v.vendor_id, 'given back', left(reason, 500), v.vendor_id WHERE given IS NOT NULL;
    INSERT INTO labelrounds.submissions (vendor_id, request_id, body_sha256, response, call)
    VALUES (v.vendor_id, request, body, response, 'release');
    RETURN response;
END $$;

-- Leased tasks, locked by the caller, are free again.
CREATE FUNCTION labelrounds.give_back(given bigint[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM labelrounds.seen s USING labelrounds.tasks t
    WHERE t.task_id = ANY (given) AND t.exclusive
      AND s.batch_item_id = t.batch_item_id AND s.vendor_id = t.vendor_id;
    UPDATE labelrounds.tasks SET state = 'ready', expires_at = NULL, vendor_id = NULL, assignment_id = NULL
    WHERE task_id = ANY (given);
END $$;

-- A time as vendors write it; null when it is none.
CREATE FUNCTION labelrounds.as_time(told text) RETURNS timestamptz LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    IF told !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d' THEN RETURN NULL; END IF;
    RETURN told::timestamptz;
EXCEPTION WHEN data_exception THEN RETURN NULL;
END $$;

-- One row of a submission, as far as it can be understood without looking anything up.
CREATE TYPE labelrounds.told AS (
    row_no int, raw jsonb, client text, assignment uuid, answer text, given jsonb, annotator text,
    started_at timestamptz, finished_at timestamptz, confidence real, comment text, schema_version numeric,
    code text, field text
);

CREATE FUNCTION labelrounds.understand(raw jsonb, row_no int) RETURNS labelrounds.told LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t labelrounds.told;
    name text;
    uuid_shape constant text := '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
BEGIN
    t.row_no := row_no;
    t.raw := raw;
    IF jsonb_typeof(raw) IS DISTINCT FROM 'object' THEN t.code := 'BAD_TYPE'; RETURN t; END IF;
    FOREACH name IN ARRAY ARRAY['client_annotation_id', 'assignment_id', 'answer', 'annotator', 'comment',
                                'started_at', 'finished_at'] LOOP
        IF coalesce(jsonb_typeof(raw -> name), 'null') NOT IN ('string', 'null') THEN
            t.code := 'BAD_TYPE'; t.field := name;
        ELSIF length(raw ->> name) > (CASE name WHEN 'comment' THEN 10000 ELSE 200 END) THEN
            t.code := 'TOO_LARGE'; t.field := name;
        END IF;
    END LOOP;
    IF t.code IS NULL OR t.field <> 'client_annotation_id' THEN t.client := raw ->> 'client_annotation_id'; END IF;
    IF t.code IS NOT NULL THEN RETURN t; END IF;
    IF raw ->> 'assignment_id' IS NULL THEN
        t.code := 'MISSING_FIELD'; t.field := 'assignment_id'; RETURN t;
    ELSIF raw ->> 'assignment_id' !~ uuid_shape THEN
        t.code := 'UNKNOWN_ASSIGNMENT'; t.field := 'assignment_id'; RETURN t;
    END IF;
    t.assignment := (raw ->> 'assignment_id')::uuid;
    t.client := coalesce(t.client, t.assignment::text);
    t.answer := coalesce(raw ->> 'answer', 'label');
    t.given := coalesce(raw -> 'label', raw -> 'labels');
    t.annotator := raw ->> 'annotator';
    t.comment := raw ->> 'comment';
    IF t.client = '' THEN
        t.code := 'MISSING_FIELD'; t.field := 'client_annotation_id';
    ELSIF t.answer NOT IN ('label', 'skip', 'unsure', 'bad_item') THEN
        t.code := 'BAD_TYPE'; t.field := 'answer';
    ELSIF t.answer <> 'label' THEN
        t.given := NULL;
    ELSIF coalesce(jsonb_typeof(t.given), 'null') = 'null' THEN
        t.code := 'MISSING_FIELD'; t.field := 'label';
    END IF;
    IF jsonb_typeof(raw -> 'confidence') = 'number' AND (raw ->> 'confidence')::numeric BETWEEN 0 AND 1 THEN
        -- Rounded: what is smaller than a float can be would fail the whole call.
        t.confidence := round((raw ->> 'confidence')::numeric, 6)::real;
    ELSIF coalesce(jsonb_typeof(raw -> 'confidence'), 'null') <> 'null' THEN
        t.code := 'BAD_TYPE'; t.field := 'confidence';
    END IF;
    IF jsonb_typeof(raw -> 'schema_version') = 'number' THEN
        t.schema_version := (raw ->> 'schema_version')::numeric;
    ELSIF coalesce(jsonb_typeof(raw -> 'schema_version'), 'null') <> 'null' THEN
        t.code := 'BAD_TYPE'; t.field := 'schema_version';
    END IF;
    -- A vendor's clock may be wrong; a time that is none, or an end before its start, is a mistake.
    IF raw ->> 'started_at' IS NOT NULL THEN
        t.started_at := labelrounds.as_time(raw ->> 'started_at');
        IF t.started_at IS NULL THEN t.code := 'TIME_INVALID'; t.field := 'started_at'; END IF;
    END IF;
    IF raw ->> 'finished_at' IS NOT NULL THEN
        t.finished_at := labelrounds.as_time(raw ->> 'finished_at');
        IF t.finished_at IS NULL OR t.finished_at < t.started_at THEN
            t.code := 'TIME_INVALID'; t.field := 'finished_at';
        END IF;
    END IF;
    RETURN t;
END $$;

-- What a label is stored as: the class, or the JSON list of a set in the campaign's order; null when it is neither.
CREATE FUNCTION labelrounds.label_text(task text, classes jsonb, given jsonb) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN task = 'multilabel' THEN
            CASE WHEN jsonb_typeof(given) = 'array' THEN labelrounds.label_set(classes, given) END
        WHEN jsonb_typeof(given) IN ('string', 'number', 'boolean') AND classes ? (given #>> '{}') THEN given #>> '{}'
        WHEN jsonb_typeof(given) = 'array' AND jsonb_array_length(given) = 1 AND classes ? (given ->> 0) THEN given ->> 0
    END
$$;

-- A row with what is known of its assignment, and what becomes of it.
CREATE TYPE labelrounds.judged AS (
    told labelrounds.told, label text, task_id bigint, batch_item_id bigint, round_id bigint, campaign_id bigint,
    price_micro bigint, held_micro bigint, exclusive boolean, result text, code text, field text
);

-- Judge every row alone, by what is stored. Items and tasks are locked. `free` means: too late, but its task is free, so
-- it counts when the vendor has no other task of the item. `OFFSET 0` has every row look up by keys: what a call costs
-- must not grow with what the vendor has answered before.
CREATE FUNCTION labelrounds.judge(v labelrounds.vendors, rows labelrounds.told[]) RETURNS labelrounds.judged[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH looked_up AS (
        SELECT x AS told, x.row_no, x.client, x.assignment, x.answer, x.annotator, l.label,
               a.price_micro, t.task_id, t.batch_item_id, t.round_id, t.campaign_id,
               t.price_micro AS held_micro, t.exclusive, t.state, t.expires_at, t.assignment_id AS holder, r.state AS round_state,
               CASE WHEN x.code IS NOT NULL THEN x.code
                    WHEN a.assignment_id IS NULL THEN 'UNKNOWN_ASSIGNMENT'
                    WHEN x.schema_version <> s.version THEN 'SCHEMA_VERSION_MISMATCH'
                    WHEN x.answer = 'label' AND l.label IS NULL THEN
                        CASE WHEN (s.task = 'multilabel') <> (jsonb_typeof(x.given) = 'array') THEN 'BAD_TYPE'
                             ELSE 'LABEL_NOT_IN_SCHEMA' END
                    WHEN NOT t.exclusive AND coalesce(x.annotator, '') = '' THEN 'MISSING_FIELD' END AS code
        FROM unnest(rows) x
        LEFT JOIN LATERAL (SELECT y.* FROM labelrounds.assignments y
                           WHERE y.assignment_id = x.assignment AND y.vendor_id = v.vendor_id OFFSET 0) a ON true
        LEFT JOIN LATERAL (SELECT y.* FROM labelrounds.tasks y WHERE y.task_id = a.task_id OFFSET 0) t ON true
        LEFT JOIN labelrounds.rounds r ON r.round_id = t.round_id
        LEFT JOIN labelrounds.label_schemas s ON s.campaign_id = r.campaign_id AND s.version = r.schema_version
        CROSS JOIN LATERAL (SELECT CASE WHEN x.answer = 'label' AND x.code IS NULL
                                        THEN labelrounds.label_text(s.task, s.classes, x.given) END AS label OFFSET 0) l),
    decided AS (
        SELECT p.*, CASE
            WHEN p.code IS NOT NULL THEN 'rejected'
            -- What was taken before, in whatever revision: said again, or contradicted.
            WHEN EXISTS (SELECT FROM labelrounds.annotations k
                         WHERE k.vendor_id = v.vendor_id AND k.client_annotation_id = p.client OFFSET 0) THEN
                CASE WHEN EXISTS (SELECT FROM labelrounds.annotations k
                                  WHERE k.vendor_id = v.vendor_id AND k.client_annotation_id = p.client
                                    AND k.assignment_id = p.assignment AND k.answer = p.answer
                                    AND k.label IS NOT DISTINCT FROM p.label OFFSET 0)
                     THEN 'duplicate' ELSE 'CONFLICT' END
            WHEN EXISTS (SELECT FROM labelrounds.annotations k WHERE k.assignment_id = p.assignment OFFSET 0) THEN
                CASE WHEN EXISTS (SELECT FROM labelrounds.annotations k
                                  WHERE k.assignment_id = p.assignment AND k.answer = p.answer
                                    AND k.label IS NOT DISTINCT FROM p.label OFFSET 0)
                     THEN 'duplicate' ELSE 'CONFLICT' END
            WHEN p.state = 'cancelled' THEN CASE WHEN p.round_state = 'published' THEN 'TASK_CANCELLED' ELSE 'BATCH_CLOSED' END
            WHEN NOT p.exclusive AND EXISTS (
                SELECT FROM labelrounds.annotations k
                WHERE k.batch_item_id = p.batch_item_id AND k.vendor_id = v.vendor_id AND k.annotator = p.annotator
                  AND NOT k.exclusive AND k.disposition <> 'surplus' AND k.revision = 1 OFFSET 0) THEN 'ANNOTATOR_REPEAT'
            WHEN v.state <> 'active' THEN 'surplus'
            WHEN p.state = 'leased' AND p.holder = p.assignment THEN
                CASE WHEN p.expires_at >= clock_timestamp() THEN 'accepted' ELSE 'late_accepted' END
            WHEN p.state IN ('ready', 'dead') THEN 'free'
            ELSE 'surplus' END AS verdict
        FROM looked_up p)
    SELECT array_agg(ROW(
        d.told, d.label, d.task_id, d.batch_item_id, d.round_id, d.campaign_id, d.price_micro, d.held_micro, d.exclusive,
        CASE WHEN d.verdict ~ '^[A-Z]' THEN 'rejected' ELSE d.verdict END,
        CASE WHEN d.verdict = 'rejected' THEN d.code WHEN d.verdict ~ '^[A-Z]' THEN d.verdict END,
        CASE WHEN d.verdict = 'rejected' THEN coalesce((d.told).field, CASE d.code
                 WHEN 'UNKNOWN_ASSIGNMENT' THEN 'assignment_id' WHEN 'SCHEMA_VERSION_MISMATCH' THEN 'schema_version'
                 WHEN 'MISSING_FIELD' THEN 'annotator' WHEN 'LABEL_NOT_IN_SCHEMA' THEN 'label'
                 WHEN 'BAD_TYPE' THEN CASE WHEN (d.told).assignment IS NOT NULL THEN 'label' END END)
             WHEN d.verdict = 'CONFLICT' THEN 'label' WHEN d.verdict = 'ANNOTATOR_REPEAT' THEN 'annotator' END
        )::labelrounds.judged ORDER BY d.row_no)
    FROM decided d
$$;

-- Rows of one call against each other, in their order: the later of two that say the same is a duplicate, of two that
-- name the same and say something else a conflict. Only rows that will be kept stand in others' way.
CREATE FUNCTION labelrounds.judge_repeats(rows labelrounds.judged[]) RETURNS labelrounds.judged[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    x labelrounds.judged;
    first labelrounds.judged;
    clients text[] := '{}';
    assignments uuid[] := '{}';
    persons text[] := '{}';
    kept int[] := '{}';
    place int;
BEGIN
    PERFORM FROM unnest(rows) r WHERE r.result IN ('accepted', 'late_accepted', 'free', 'surplus')
    HAVING count(*) > count(DISTINCT (r.told).client) OR count(*) > count(DISTINCT (r.told).assignment)
        OR count(*) FILTER (WHERE NOT r.exclusive)
           > count(DISTINCT (r.batch_item_id, (r.told).annotator)) FILTER (WHERE NOT r.exclusive);
    IF NOT FOUND THEN RETURN rows; END IF;
    FOR n IN 1 .. cardinality(rows) LOOP
        x := rows[n];
        CONTINUE WHEN x.result NOT IN ('accepted', 'late_accepted', 'free', 'surplus');
        place := coalesce(array_position(clients, (x.told).client), array_position(assignments, (x.told).assignment));
        IF place IS NOT NULL THEN
            first := rows[kept[place]];
            IF (first.told).assignment = (x.told).assignment AND (first.told).answer = (x.told).answer
                AND first.label IS NOT DISTINCT FROM x.label THEN
                x.result := 'duplicate';
            ELSE
                x.result := 'rejected'; x.code := 'CONFLICT'; x.field := 'label';
            END IF;
        ELSIF NOT x.exclusive AND x.result <> 'surplus'
            AND concat(x.batch_item_id, ' ', (x.told).annotator) = ANY (persons) THEN
            x.result := 'rejected'; x.code := 'ANNOTATOR_REPEAT'; x.field := 'annotator';
        ELSE
            clients := clients || (x.told).client;
            assignments := assignments || (x.told).assignment;
            kept := kept || n;
            IF NOT x.exclusive AND x.result <> 'surplus' THEN
                persons := persons || concat(x.batch_item_id, ' ', (x.told).annotator);
            END IF;
        END IF;
        rows[n] := x;
    END LOOP;
    RETURN rows;
END $$;

-- Give late answers the seats that are free: one of an item for a vendor, one answer for a task.
CREATE FUNCTION labelrounds.seat_late(v int, rows labelrounds.judged[]) RETURNS labelrounds.judged[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seated int[];
BEGIN
    WITH late AS MATERIALIZED (
        SELECT DISTINCT ON (x.batch_item_id, CASE WHEN x.exclusive THEN 0 ELSE x.task_id END)
               x.batch_item_id, x.task_id, x.exclusive, (x.told).row_no
        FROM unnest(rows) x
        WHERE x.result = 'free'
          -- Not where another row of this call fills the same task.
          AND NOT EXISTS (SELECT FROM unnest(rows) y
                          WHERE y.task_id = x.task_id AND y.result IN ('accepted', 'late_accepted'))
        ORDER BY x.batch_item_id, CASE WHEN x.exclusive THEN 0 ELSE x.task_id END, (x.told).row_no),
    seats AS (
        INSERT INTO labelrounds.seen (batch_item_id, vendor_id)
        SELECT l.batch_item_id, v FROM late l WHERE l.exclusive
        ON CONFLICT DO NOTHING RETURNING batch_item_id)
    SELECT array_agg(l.row_no) INTO seated FROM late l LEFT JOIN seats s USING (batch_item_id)
    WHERE NOT l.exclusive OR s.batch_item_id IS NOT NULL;
    RETURN (SELECT array_agg(ROW(
                x.told, x.label, x.task_id, x.batch_item_id, x.round_id, x.campaign_id, x.price_micro, x.held_micro,
                x.exclusive, CASE WHEN x.result <> 'free' THEN x.result
                                  WHEN (x.told).row_no = ANY (seated) THEN 'late_accepted' ELSE 'surplus' END,
                x.code, x.field)::labelrounds.judged ORDER BY (x.told).row_no)
            FROM unnest(rows) x);
END $$;

-- Store what became of each row, tell it to the vendor and to us.
CREATE FUNCTION labelrounds.conclude(
    v labelrounds.vendors, request uuid, called text, body bytea, submission bigint, rows labelrounds.judged[], results jsonb
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    response jsonb;
BEGIN
    INSERT INTO labelrounds.rejects (vendor_id, request_id, submission_id, row_no, code, field, client_annotation_id, raw)
    SELECT v.vendor_id, request, submission, (x.told).row_no, x.code, x.field, (x.told).client, (x.told).raw
    FROM unnest(rows) x WHERE x.result = 'rejected' ORDER BY (x.told).row_no;
    response := jsonb_build_object('submission_id', submission) || (
        SELECT jsonb_build_object(
            'accepted', count(*) FILTER (WHERE x.result = 'accepted'),
            'late_accepted', count(*) FILTER (WHERE x.result = 'late_accepted'),
            'duplicates', count(*) FILTER (WHERE x.result = 'duplicate'),
            'corrected', count(*) FILTER (WHERE x.result = 'corrected'),
            'surplus', count(*) FILTER (WHERE x.result = 'surplus'),
            'rejected', count(*) FILTER (WHERE x.result = 'rejected'))
        FROM unnest(rows) x);
    INSERT INTO labelrounds.outbox (vendor_id, kind, body)
    VALUES (NULL, 'submission.taken', response || jsonb_build_object('vendor', v.name, 'call', called));
    INSERT INTO labelrounds.outbox (vendor_id, kind, body)
    SELECT v.vendor_id, 'annotation.rejected', jsonb_build_object(
        'submission_id', submission, 'rows', jsonb_agg(jsonb_build_object(
            'row', (x.told).row_no, 'id', (x.told).client, 'code', x.code, 'field', x.field) ORDER BY (x.told).row_no))
    FROM unnest(rows) x WHERE x.result = 'rejected' HAVING count(*) > 0;
    response := response || jsonb_build_object('rows', results);
    INSERT INTO labelrounds.submissions (submission_id, vendor_id, request_id, body_sha256, response, call)
    OVERRIDING SYSTEM VALUE VALUES (submission, v.vendor_id, request, body, response, called);
    RETURN response;
END $$;

-- Hand in answers. Each row is judged alone, and the response says of each what became of it; rows that cannot be taken
-- are kept in `rejects`. The same request id with the same rows gives the stored response again.
CREATE FUNCTION vendor.submit(request uuid, rows jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_variable
DECLARE
    v labelrounds.vendors := labelrounds.calling_vendor(true);
    body bytea;
    response jsonb;
    submission bigint;
    understood labelrounds.told[];
    judged labelrounds.judged[];
    results jsonb;
BEGIN
    IF request IS NULL OR coalesce(jsonb_typeof(rows), '') <> 'array' OR jsonb_array_length(rows) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a submission needs a request id and an array of 1 to 1000 rows' USING ERRCODE = '22023';
    END IF;
    body := sha256(convert_to(rows::text, 'UTF8'));
    response := labelrounds.answered_before(v.vendor_id, request, 'submit', body);
    IF response IS NOT NULL THEN RETURN response; END IF;
    SELECT array_agg(labelrounds.understand(r.value, (r.nth - 1)::int) ORDER BY r.nth) INTO understood
    FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (value, nth);
    PERFORM labelrounds.lock_work(v.vendor_id, ARRAY(SELECT x.assignment FROM unnest(understood) x));
    judged := labelrounds.judge_repeats(labelrounds.judge(v, understood));
    IF EXISTS (SELECT FROM unnest(judged) x WHERE x.result = 'free') THEN
        judged := labelrounds.seat_late(v.vendor_id, judged);
    END IF;
    submission := nextval('labelrounds.submissions_submission_id_seq');
    WITH stored AS (
        INSERT INTO labelrounds.annotations
            (vendor_id, request_id, assignment_id, batch_item_id, task_id, annotator, answer, label, disposition,
             client_annotation_id, confidence, comment, started_at, finished_at, exclusive)
        SELECT v.vendor_id, request, (x.told).assignment, x.batch_item_id, x.task_id, (x.told).annotator,
               (x.told).answer, x.label, x.result::labelrounds.disposition, (x.told).client, (x.told).confidence,
               (x.told).comment, (x.told).started_at, (x.told).finished_at, x.exclusive
        FROM unnest(judged) x WHERE x.result IN ('accepted', 'late_accepted', 'surplus')
        ORDER BY (x.told).row_no
        RETURNING assignment_id, annotation_id)
    SELECT jsonb_agg(jsonb_build_object(
        'row', (x.told).row_no, 'id', (x.told).client, 'assignment_id', (x.told).raw -> 'assignment_id',
        'result', x.result, 'code', x.code, 'field', x.field, 'annotation_id', s.annotation_id,
        'revision', CASE WHEN s.annotation_id IS NOT NULL THEN 1 END) ORDER BY (x.told).row_no) INTO results
    FROM unnest(judged) x
    LEFT JOIN stored s ON s.assignment_id = (x.told).assignment AND x.result IN ('accepted', 'late_accepted', 'surplus');
    PERFORM labelrounds.fill_tasks(v.vendor_id, judged);
    RETURN labelrounds.conclude(v, request, 'submit', body, submission, judged, results);
END $$;

-- One lock order for all: vendor (the caller has it), items by id, tasks by id.
CREATE FUNCTION labelrounds.lock_work(v int, named uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    items bigint[];
    tasks bigint[];
BEGIN
    SELECT array_agg(DISTINCT a.batch_item_id), array_agg(DISTINCT a.task_id) INTO items, tasks
    FROM labelrounds.assignments a WHERE a.assignment_id = ANY (named) AND a.vendor_id = v;
    PERFORM FROM labelrounds.batch_items i WHERE i.batch_item_id = ANY (items)
    ORDER BY i.batch_item_id FOR NO KEY UPDATE;
    PERFORM FROM labelrounds.tasks t WHERE t.task_id = ANY (tasks)
    ORDER BY t.task_id FOR NO KEY UPDATE;
END $$;

-- Fill the tasks of accepted rows, count them on their items, and pay.
CREATE FUNCTION labelrounds.fill_tasks(v int, rows labelrounds.judged[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    tasks bigint[];
    items bigint[];
BEGIN
    SELECT array_agg(x.task_id), array_agg(DISTINCT x.batch_item_id) INTO tasks, items
    FROM unnest(rows) x WHERE x.result IN ('accepted', 'late_accepted');
    IF tasks IS NULL THEN RETURN; END IF;
    -- The arrays name once more what is joined: by them the indexes are used, whatever is known of the tables' sizes.
    UPDATE labelrounds.tasks t SET state = 'filled', vendor_id = v, assignment_id = (x.told).assignment, expires_at = NULL
    FROM unnest(rows) x
    WHERE t.task_id = ANY (tasks) AND t.task_id = x.task_id AND x.result IN ('accepted', 'late_accepted');
    UPDATE labelrounds.batch_items i SET n_filled = i.n_filled + n.filled,
        state = CASE WHEN i.n_filled + n.filled >= i.n_need THEN 'complete' ELSE i.state END
    FROM (SELECT x.batch_item_id, count(*) AS filled FROM unnest(rows) x
          WHERE x.result IN ('accepted', 'late_accepted') GROUP BY 1) n
    WHERE i.batch_item_id = ANY (items) AND i.batch_item_id = n.batch_item_id;
    INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, vendor_id, kind, amount_micro)
    SELECT x.campaign_id, x.round_id, x.task_id, v, e.kind, e.amount
    FROM unnest(rows) x
    CROSS JOIN LATERAL (VALUES ('settle'::labelrounds.entry_kind, x.price_micro),
                               ('release', x.held_micro - x.price_micro)) AS e (kind, amount)
    WHERE x.result IN ('accepted', 'late_accepted') AND (e.kind = 'settle' OR e.amount > 0);
END $$;

-- Change answers that were taken: a new revision each, while the campaign's window is open. `base_revision` is the
-- revision that the vendor saw; when there is a newer one, the row is stale.
CREATE FUNCTION vendor.correct(request uuid, rows jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_variable
DECLARE
    v labelrounds.vendors := labelrounds.calling_vendor(true);
    body bytea;
    response jsonb;
    submission bigint;
    judged labelrounds.judged[] := '{}';
    results jsonb := '[]';
    one record;
    newest labelrounds.annotations;
    told labelrounds.told;
    label text;
    id bigint;
    code text;
    field text;
    result text;
BEGIN
    IF request IS NULL OR coalesce(jsonb_typeof(rows), '') <> 'array' OR jsonb_array_length(rows) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a correction needs a request id and an array of 1 to 1000 rows' USING ERRCODE = '22023';
    END IF;
    body := sha256(convert_to(rows::text, 'UTF8'));
    response := labelrounds.answered_before(v.vendor_id, request, 'correct', body);
    IF response IS NOT NULL THEN RETURN response; END IF;
    submission := nextval('labelrounds.submissions_submission_id_seq');
    PERFORM labelrounds.lock_work(v.vendor_id, ARRAY(
        SELECT a.assignment_id FROM labelrounds.annotations a
        WHERE a.vendor_id = v.vendor_id AND a.client_annotation_id IN (
            SELECT r.value ->> 'client_annotation_id' FROM jsonb_array_elements(rows) r
            WHERE jsonb_typeof(r.value) = 'object')));
    FOR one IN SELECT r.value, (r.nth - 1)::int AS row_no FROM jsonb_array_elements(rows) WITH ORDINALITY r (value, nth) LOOP
        told := labelrounds.understand_change(one.value, one.row_no);
        newest := NULL; label := NULL; id := NULL; result := 'rejected'; code := told.code; field := told.field;
        IF code IS NULL THEN
            SELECT a.* INTO newest FROM labelrounds.annotations a
            WHERE a.vendor_id = v.vendor_id AND a.client_annotation_id = told.client ORDER BY a.revision DESC LIMIT 1;
            SELECT labelrounds.label_text(s.task, s.classes, told.given),
                   CASE WHEN newest.annotation_id IS NULL THEN 'UNKNOWN_ANNOTATION'
                        WHEN EXISTS (SELECT FROM labelrounds.refusals f WHERE f.assignment_id = newest.assignment_id)
                             OR f.received_at + coalesce(cv.correction_window, '7 days') < clock_timestamp()
                            THEN 'CORRECTION_CLOSED' END
            INTO label, code
            FROM (SELECT) nothing
            LEFT JOIN labelrounds.annotations f ON f.assignment_id = newest.assignment_id AND f.revision = 1
            LEFT JOIN labelrounds.batch_items i ON i.batch_item_id = newest.batch_item_id
            LEFT JOIN labelrounds.rounds r ON r.round_id = i.round_id
            LEFT JOIN labelrounds.label_schemas s ON s.campaign_id = r.campaign_id AND s.version = r.schema_version
            LEFT JOIN labelrounds.campaign_vendors cv ON cv.campaign_id = i.campaign_id AND cv.vendor_id = v.vendor_id;
            IF code IS NOT NULL THEN field := 'client_annotation_id';
            ELSIF told.answer = 'label' AND label IS NULL THEN code := 'LABEL_NOT_IN_SCHEMA'; field := 'label';
            ELSIF newest.answer = told.answer AND newest.label IS NOT DISTINCT FROM label
                AND newest.revision IN (told.schema_version, told.schema_version + 1) THEN result := 'duplicate';
            ELSIF newest.revision <> told.schema_version THEN code := 'STALE_REVISION'; field := 'base_revision';
            ELSE
                INSERT INTO labelrounds.annotations
                    (vendor_id, request_id, assignment_id, batch_item_id, task_id, annotator, answer, label,
                     disposition, client_annotation_id, revision, reason, exclusive)
                VALUES (v.vendor_id, request, newest.assignment_id, newest.batch_item_id, newest.task_id,
                        newest.annotator, told.answer, label, newest.disposition, told.client, newest.revision + 1,
                        told.comment, newest.exclusive)
                RETURNING annotation_id INTO id;
                result := 'corrected';
            END IF;
        END IF;
        judged := judged || ROW(told, label, newest.task_id, newest.batch_item_id, NULL, NULL, NULL, NULL, NULL,
                                result, CASE WHEN result = 'rejected' THEN code END, field)::labelrounds.judged;
        results := results || jsonb_build_object(
            'row', one.row_no, 'id', told.client, 'assignment_id', newest.assignment_id, 'result', result,
            'code', CASE WHEN result = 'rejected' THEN code END, 'field', field, 'annotation_id', id,
            'revision', CASE WHEN result = 'corrected' THEN newest.revision + 1 ELSE newest.revision END);
    END LOOP;
    RETURN labelrounds.conclude(v, request, 'correct', body, submission, judged, results);
END $$;

-- One row of a correction. `schema_version` holds the base revision, `comment` the reason.
CREATE FUNCTION labelrounds.understand_change(raw jsonb, row_no int) RETURNS labelrounds.told LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t labelrounds.told;
    name text;
BEGIN
    t.row_no := row_no;
    t.raw := raw;
    IF jsonb_typeof(raw) IS DISTINCT FROM 'object' THEN t.code := 'BAD_TYPE'; RETURN t; END IF;
    FOREACH name IN ARRAY ARRAY['client_annotation_id', 'answer', 'reason'] LOOP
        IF coalesce(jsonb_typeof(raw -> name), 'null') NOT IN ('string', 'null') THEN
            t.code := 'BAD_TYPE'; t.field := name;
        ELSIF length(raw ->> name) > (CASE name WHEN 'reason' THEN 10000 ELSE 200 END) THEN
            t.code := 'TOO_LARGE'; t.field := name;
        END IF;
    END LOOP;
    IF t.code IS NOT NULL THEN RETURN t; END IF;
    t.client := raw ->> 'client_annotation_id';
    t.answer := coalesce(raw ->> 'answer', 'label');
    t.given := CASE WHEN t.answer = 'label' THEN coalesce(raw -> 'label', raw -> 'labels') END;
    t.comment := raw ->> 'reason';
    IF coalesce(t.client, '') = '' THEN
        t.code := 'MISSING_FIELD'; t.field := 'client_annotation_id';
    ELSIF coalesce(jsonb_typeof(raw -> 'base_revision'), 'null') <> 'number' THEN
        t.code := CASE WHEN raw -> 'base_revision' IS NULL THEN 'MISSING_FIELD' ELSE 'BAD_TYPE' END;
        t.field := 'base_revision';
    ELSIF t.answer NOT IN ('label', 'skip', 'unsure', 'bad_item') THEN
        t.code := 'BAD_TYPE'; t.field := 'answer';
    ELSIF t.answer = 'label' AND coalesce(jsonb_typeof(t.given), 'null') = 'null' THEN
        t.code := 'MISSING_FIELD'; t.field := 'label';
    ELSE
        t.schema_version := (raw ->> 'base_revision')::numeric;
    END IF;
    RETURN t;
END $$;

-- What the caller holds.
CREATE FUNCTION vendor.leases() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT jsonb_build_object('leases', coalesce(jsonb_agg(jsonb_build_object(
        'lease_id', held.lease_id, 'expires_at', held.expires_at, 'assignments', held.assignments)
        ORDER BY held.expires_at, held.lease_id), '[]'))
    FROM (SELECT a.lease_id, min(t.expires_at) AS expires_at, jsonb_agg(a.assignment_id ORDER BY a.assignment_id) AS assignments
          FROM labelrounds.reading_vendor() v
          JOIN labelrounds.tasks t ON t.vendor_id = v.vendor_id AND t.state = 'leased'
          JOIN labelrounds.assignments a ON a.assignment_id = t.assignment_id
          GROUP BY a.lease_id) held
$$;

-- Payloads of tasks that the caller holds, to sign their addresses anew; others are passed over.
CREATE FUNCTION vendor.payloads(assignments uuid[]) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'assignment_id', t.assignment_id, 'payload', i.payload, 'expires_at', t.expires_at) ORDER BY t.assignment_id), '[]')
    FROM labelrounds.reading_vendor() v
    JOIN labelrounds.tasks t ON t.vendor_id = v.vendor_id AND t.state = 'leased' AND t.assignment_id = ANY (assignments)
    JOIN labelrounds.batch_items i USING (batch_item_id)
$$;

-- Rows of the caller that were not taken, oldest first: a page of 4 MiB, or of one row that is larger.
CREATE FUNCTION vendor.rejects(after bigint DEFAULT 0, at_most int DEFAULT 1000) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT jsonb_build_object('rejects', coalesce(jsonb_agg(jsonb_build_object(
        'reject_id', x.reject_id, 'submission_id', x.submission_id, 'row', x.row_no, 'code', x.code, 'field', x.field,
        'raw', x.raw, 'at', x.at) ORDER BY x.reject_id), '[]'))
    FROM (SELECT page.*, sum(octet_length(page.raw::text)) OVER (ORDER BY page.reject_id) AS bytes,
                 row_number() OVER (ORDER BY page.reject_id) AS nth
          FROM (SELECT r.* FROM labelrounds.reading_vendor() v
                JOIN labelrounds.rejects r ON r.vendor_id = v.vendor_id AND r.reject_id > after
                ORDER BY r.reject_id LIMIT greatest(1, least(at_most, 1000))) page) x
    WHERE x.nth = 1 OR x.bytes <= 4194304
$$;

-- What happened to the caller's work: the twin of its webhooks, for those who poll. While somebody is still writing to
-- this vendor's stream nothing is shown: what has a lower number may become visible later, and would be passed over.
CREATE FUNCTION vendor.events(after bigint DEFAULT 0, at_most int DEFAULT 1000) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v labelrounds.vendors := labelrounds.reading_vendor();
    settled bigint;
BEGIN
    -- For a moment only, and never waited for: nobody is held up by who looks.
    IF pg_try_advisory_lock(labelrounds.stream_lock(), v.vendor_id) THEN
        SELECT max(o.seq) INTO settled FROM labelrounds.outbox o WHERE o.vendor_id = v.vendor_id;
        PERFORM pg_advisory_unlock(labelrounds.stream_lock(), v.vendor_id);
    END IF;
    RETURN (SELECT jsonb_build_object('events', coalesce(jsonb_agg(jsonb_build_object(
        'seq', x.seq, 'id', x.id, 'type', x.kind, 'at', x.at, 'data', x.body) ORDER BY x.seq), '[]'))
    FROM (SELECT o.* FROM labelrounds.outbox o
          WHERE o.vendor_id = v.vendor_id AND o.seq > after AND o.seq <= settled
          ORDER BY o.seq LIMIT greatest(1, least(at_most, 1000))) x);
END $$;

-- A label schema of a campaign that the caller works for.
CREATE FUNCTION vendor.label_schema(id text, version int) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_variable
DECLARE
    v labelrounds.vendors := labelrounds.reading_vendor();
    found_schema jsonb;
BEGIN
    SELECT jsonb_build_object('id', c.name, 'version', s.version, 'task', s.task, 'classes', s.classes,
                              'instructions', s.instructions) INTO found_schema
    FROM labelrounds.campaigns c
    JOIN labelrounds.campaign_vendors cv ON cv.campaign_id = c.campaign_id AND cv.vendor_id = v.vendor_id
    JOIN labelrounds.label_schemas s ON s.campaign_id = c.campaign_id AND s.version = label_schema.version
    WHERE c.name = label_schema.id;
    IF found_schema IS NULL THEN
        RAISE EXCEPTION 'there is no schema % of version % for you', id, version USING ERRCODE = 'LR404';
    END IF;
    RETURN found_schema;
END $$;

-- What a vendor leased, answered and earned in a span of time.
CREATE FUNCTION labelrounds.vendor_figures(v int, since timestamptz, until timestamptz) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH claimed AS (
        SELECT a.assignment_id, a.expires_at, a.price_micro, a.task_id, l.issued_at,
               n.received_at, n.disposition, t.state = 'leased' AND t.assignment_id = a.assignment_id AS open
        FROM labelrounds.leases l
        JOIN labelrounds.assignments a USING (lease_id)
        JOIN labelrounds.tasks t ON t.task_id = a.task_id
        LEFT JOIN labelrounds.annotations n ON n.assignment_id = a.assignment_id AND n.revision = 1
        WHERE l.vendor_id = v AND l.issued_at >= since AND l.issued_at < until),
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
        'earned', (SELECT coalesce(sum(CASE WHEN l.kind = 'settle' THEN l.amount_micro ELSE -l.amount_micro END), 0) / 1e6
                   FROM labelrounds.ledger l
                   WHERE l.vendor_id = v AND l.kind::text IN ('settle', 'refund') AND l.at >= since AND l.at < until))
$$;

-- The caller's own figures for leases of a span of time, the last 30 days by default. What tells gold is left out.
CREATE FUNCTION vendor.report(since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT labelrounds.vendor_figures(v.vendor_id, coalesce(since, clock_timestamp() - interval '30 days'),
                                      coalesce(until, clock_timestamp()))
    FROM labelrounds.reading_vendor() v
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA labelrounds, vendor FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vendor TO labelrounds_vendor;
