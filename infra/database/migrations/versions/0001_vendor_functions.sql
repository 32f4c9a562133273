-- The vendors' only door: functions that run with the owner's rights and know the caller by its login.
-- Every name is schema-qualified and search_path is pinned; no temporary tables, no dynamic SQL.

-- The caller's row, locked until its transaction ends: a vendor's own calls queue up, so its cap is exact and a
-- request that is sent twice at once is answered twice the same.
CREATE FUNCTION labelrounds.calling_vendor() RETURNS labelrounds.vendors LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v labelrounds.vendors;
BEGIN
    -- With an older snapshot, what this vendor's own other calls did would be invisible behind the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'call this in a transaction with the isolation level READ COMMITTED' USING ERRCODE = '25001';
    END IF;
    SELECT * INTO v FROM labelrounds.vendors WHERE db_role = session_user AND state = 'active'
    FOR NO KEY UPDATE;
    IF v.vendor_id IS NULL THEN
        RAISE EXCEPTION 'this login is no active vendor' USING ERRCODE = '42501';
    END IF;
    RETURN v;
END $$;

-- Claim up to `room` free tasks of one campaign. One campaign at a time and no join: the index then gives them in
-- order, and a call costs what it takes, not what is there. `OFFSET 0` keeps the probe of `seen` a probe.
CREATE FUNCTION labelrounds.claim(v int, lease uuid, offered labelrounds.campaign_vendors, room int)
RETURNS int LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    got int;
BEGIN
    WITH candidates AS MATERIALIZED (
        SELECT t.task_id, t.batch_item_id FROM labelrounds.tasks t
        WHERE t.state = 'ready' AND t.campaign_id = offered.campaign_id
          AND NOT EXISTS (SELECT 1 FROM labelrounds.seen s
                          WHERE s.batch_item_id = t.batch_item_id AND s.vendor_id = v OFFSET 0)
        ORDER BY t.pick_key, t.task_id LIMIT room
        FOR UPDATE OF t SKIP LOCKED),
    one_each AS MATERIALIZED (
        SELECT DISTINCT ON (c.batch_item_id) c.task_id, c.batch_item_id FROM candidates c
        ORDER BY c.batch_item_id, c.task_id),
    fresh AS (
        INSERT INTO labelrounds.seen (batch_item_id, vendor_id)
        SELECT o.batch_item_id, v FROM one_each o
        ON CONFLICT DO NOTHING RETURNING batch_item_id),
    taken AS (
        UPDATE labelrounds.tasks t
        SET state = 'leased', vendor_id = v, assignment_id = gen_random_uuid(),
            expires_at = clock_timestamp() + offered.lease, attempts = t.attempts + 1
        FROM one_each o JOIN fresh f USING (batch_item_id)
        WHERE t.task_id = o.task_id
        RETURNING t.task_id, t.batch_item_id, t.assignment_id, t.attempts, t.expires_at, t.price_micro)
    INSERT INTO labelrounds.assignments
        (assignment_id, lease_id, task_id, batch_item_id, vendor_id, epoch, price_micro, expires_at)
    SELECT k.assignment_id, lease, k.task_id, k.batch_item_id, v, k.attempts,
           least(offered.price_micro, k.price_micro), k.expires_at
    FROM taken k;
    GET DIAGNOSTICS got = ROW_COUNT;
    RETURN got;
END $$;

-- Take up to max_tasks tasks until a deadline; the campaign that is due first goes first. The same request id
-- gives the same answer again.
CREATE FUNCTION vendor.lease(request uuid, max_tasks int DEFAULT 100)
RETURNS TABLE (assignment_id uuid, campaign text, classes jsonb, payload jsonb, expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    v labelrounds.vendors := labelrounds.calling_vendor();
    room int;
    lease uuid;
    offered labelrounds.campaign_vendors;
BEGIN
    IF request IS NULL OR max_tasks IS NULL OR max_tasks NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a lease needs a request id and 1 to 1000 tasks, not % and %', request, max_tasks
            USING ERRCODE = '22023';
    END IF;
    SELECT l.lease_id INTO lease FROM labelrounds.leases l
    WHERE l.vendor_id = v.vendor_id AND l.request_id = request;
    IF lease IS NULL THEN
        lease := gen_random_uuid();
        INSERT INTO labelrounds.leases (lease_id, vendor_id, request_id, asked)
        VALUES (lease, v.vendor_id, request, max_tasks);
        SELECT least(max_tasks, v.max_open - count(*)) INTO room FROM labelrounds.tasks t
        WHERE t.vendor_id = v.vendor_id AND t.state = 'leased';
        FOR offered IN
            SELECT cv.* FROM labelrounds.campaign_vendors cv
            JOIN labelrounds.rounds r ON r.campaign_id = cv.campaign_id AND r.state = 'published'
            WHERE cv.vendor_id = v.vendor_id ORDER BY r.due_at, r.round_id
        LOOP
            EXIT WHEN room <= 0;
            room := room - labelrounds.claim(v.vendor_id, lease, offered, room);
        END LOOP;
    END IF;
    RETURN QUERY
        SELECT a.assignment_id, c.name, r.spec -> 'classes', i.payload, a.expires_at
        FROM labelrounds.assignments a
        JOIN labelrounds.batch_items i ON i.batch_item_id = a.batch_item_id
        JOIN labelrounds.rounds r ON r.round_id = i.round_id
        JOIN labelrounds.campaigns c ON c.campaign_id = i.campaign_id
        WHERE a.lease_id = lease
        ORDER BY a.assignment_id;
END $$;

-- What becomes of one answered row. Its task and item are locked by the caller.
CREATE FUNCTION labelrounds.take_answer(v int, request uuid, answer jsonb) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    a labelrounds.assignments;
    t labelrounds.tasks;
    known labelrounds.annotations;
    told text := answer ->> 'label';
    kind text := coalesce(answer ->> 'answer', 'label');
    verdict labelrounds.disposition := 'surplus';
    classes jsonb;
BEGIN
    SELECT * INTO a FROM labelrounds.assignments x
    WHERE x.assignment_id = (answer ->> 'assignment_id')::uuid AND x.vendor_id = v;
    IF a.assignment_id IS NULL THEN RETURN 'rejected:UNKNOWN_ASSIGNMENT'; END IF;
    SELECT r.spec -> 'classes' INTO classes FROM labelrounds.tasks x
    JOIN labelrounds.rounds r ON r.round_id = x.round_id WHERE x.task_id = a.task_id;
    IF kind = 'skip' THEN told := NULL;
    ELSIF kind <> 'label' THEN RETURN 'rejected:UNKNOWN_ANSWER';
    ELSIF told IS NULL THEN RETURN 'rejected:LABEL_MISSING';
    ELSIF NOT classes ? told THEN RETURN 'rejected:UNKNOWN_CLASS';
    END IF;
    SELECT * INTO known FROM labelrounds.annotations x WHERE x.assignment_id = a.assignment_id;
    IF known.annotation_id IS NOT NULL THEN
        RETURN CASE WHEN known.answer = kind AND known.label IS NOT DISTINCT FROM told
                    THEN 'duplicate' ELSE 'rejected:ALREADY_ANSWERED' END;
    END IF;
    SELECT * INTO t FROM labelrounds.tasks x WHERE x.task_id = a.task_id;
    IF t.state = 'leased' AND t.assignment_id = a.assignment_id THEN
        verdict := CASE WHEN t.expires_at >= clock_timestamp() THEN 'accepted' ELSE 'late_accepted' END;
    ELSIF t.state IN ('ready', 'dead') THEN
        INSERT INTO labelrounds.seen (batch_item_id, vendor_id) VALUES (a.batch_item_id, v)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN verdict := 'late_accepted'; END IF;
    END IF;
    INSERT INTO labelrounds.annotations (vendor_id, request_id, assignment_id, batch_item_id, task_id,
                                         annotator, answer, label, disposition)
    VALUES (v, request, a.assignment_id, a.batch_item_id, a.task_id, answer ->> 'annotator', kind, told, verdict);
    IF verdict <> 'surplus' THEN
        UPDATE labelrounds.tasks SET state = 'filled', vendor_id = v, assignment_id = a.assignment_id,
            expires_at = NULL WHERE task_id = a.task_id;
        UPDATE labelrounds.batch_items SET n_filled = n_filled + 1,
            state = CASE WHEN n_filled + 1 >= n_need THEN 'complete' ELSE state END
        WHERE batch_item_id = a.batch_item_id;
        INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, vendor_id, kind, amount_micro)
        VALUES (t.campaign_id, t.round_id, t.task_id, v, 'settle', a.price_micro);
        IF t.price_micro > a.price_micro THEN
            INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, vendor_id, kind, amount_micro)
            VALUES (t.campaign_id, t.round_id, t.task_id, v, 'release', t.price_micro - a.price_micro);
        END IF;
    END IF;
    RETURN verdict::text;
END $$;

-- Hand in answers: [{"assignment_id": ..., "label": ...} or {"assignment_id": ..., "answer": "skip"}, ...].
-- Each row is judged alone and the answer says of each what became of it. The same request id with the same
-- rows gives the stored answer again; with other rows it is refused.
CREATE FUNCTION vendor.submit(request uuid, answers jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    v labelrounds.vendors := labelrounds.calling_vendor();
    body bytea;
    before labelrounds.submissions;
    ids uuid[];
    verdict text;
    result jsonb := '[]';
    uuid_shape constant text := '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
BEGIN
    IF request IS NULL OR answers IS NULL OR jsonb_typeof(answers) <> 'array'
        OR jsonb_array_length(answers) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a submission needs a request id and an array of 1 to 1000 answers' USING ERRCODE = '22023';
    END IF;
    body := sha256(convert_to(answers::text, 'UTF8'));
    SELECT * INTO before FROM labelrounds.submissions s
    WHERE s.vendor_id = v.vendor_id AND s.request_id = request;
    IF before.submission_id IS NOT NULL THEN
        IF before.body_sha256 <> body THEN
            RAISE EXCEPTION 'request % was used for other answers', request USING ERRCODE = '22023';
        END IF;
        RETURN before.response;
    END IF;
    -- One lock order for all: vendor, items by id, tasks by id.
    SELECT array_agg((r.value ->> 'assignment_id')::uuid) INTO ids FROM jsonb_array_elements(answers) r
    WHERE jsonb_typeof(r.value) = 'object' AND r.value ->> 'assignment_id' ~ uuid_shape;
    PERFORM FROM labelrounds.batch_items i WHERE i.batch_item_id IN (
        SELECT a.batch_item_id FROM labelrounds.assignments a
        WHERE a.assignment_id = ANY (ids) AND a.vendor_id = v.vendor_id)
    ORDER BY i.batch_item_id FOR NO KEY UPDATE;
    PERFORM FROM labelrounds.tasks t WHERE t.task_id IN (
        SELECT a.task_id FROM labelrounds.assignments a
        WHERE a.assignment_id = ANY (ids) AND a.vendor_id = v.vendor_id)
    ORDER BY t.task_id FOR NO KEY UPDATE;
    FOR i IN 0 .. jsonb_array_length(answers) - 1 LOOP
        IF jsonb_typeof(answers -> i) IS DISTINCT FROM 'object' THEN
            verdict := 'rejected:NOT_AN_OBJECT';
        ELSIF NOT coalesce(answers -> i ->> 'assignment_id' ~ uuid_shape, false) THEN
            verdict := 'rejected:UNKNOWN_ASSIGNMENT';
        ELSE
            verdict := labelrounds.take_answer(v.vendor_id, request, answers -> i);
        END IF;
        IF verdict LIKE 'rejected:%' THEN
            INSERT INTO labelrounds.rejects (vendor_id, request_id, row_no, code, raw)
            VALUES (v.vendor_id, request, i, substr(verdict, 10), answers -> i);
        END IF;
        result := result || jsonb_build_object(
            'row', i, 'status', split_part(verdict, ':', 1), 'code', nullif(split_part(verdict, ':', 2), ''));
    END LOOP;
    INSERT INTO labelrounds.submissions (vendor_id, request_id, body_sha256, response)
    VALUES (v.vendor_id, request, body, result);
    RETURN result;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA labelrounds, vendor FROM PUBLIC;
GRANT USAGE ON SCHEMA vendor TO labelrounds_vendor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vendor TO labelrounds_vendor;
