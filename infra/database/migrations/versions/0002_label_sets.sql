-- Labels that are sets: `task: multilabel` in a campaign. A set is stored as text, a JSON list of classes in the
-- campaign's order without spaces or repeats: ["politics","sport"], [] for none of them.

SET LOCAL ROLE labelrounds_owner;

-- The text of a set that was given as a JSON list in any order; null when it names anything but classes.
-- Numbers count as their text, as they do for one class.
CREATE FUNCTION labelrounds.label_set(classes jsonb, given jsonb) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT '[' || coalesce(string_agg(to_json(c.name)::text, ',' ORDER BY c.place), '') || ']'
    FROM jsonb_array_elements_text(classes) WITH ORDINALITY AS c (name, place)
    WHERE c.name IN (SELECT g.name FROM jsonb_array_elements_text(given) AS g (name))
    HAVING NOT EXISTS (
        SELECT FROM jsonb_array_elements_text(given) AS g (name) WHERE (classes ? g.name) IS NOT TRUE)
$$;

-- Take up to max_tasks tasks until a deadline; the campaign that is due first goes first. The same request id
-- gives the same answer again. `task` is what an answer's `label` must be: `classification` a class,
-- `multilabel` a list of classes.
-- A function cannot be replaced by one with more columns. The new column stands last: who reads by place reads on.
DROP FUNCTION vendor.lease(uuid, int);
CREATE FUNCTION vendor.lease(request uuid, max_tasks int DEFAULT 100)
RETURNS TABLE (assignment_id uuid, campaign text, classes jsonb, payload jsonb, expires_at timestamptz,
               task text)
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
        SELECT a.assignment_id, c.name, r.spec -> 'classes', i.payload, a.expires_at,
               coalesce(r.spec ->> 'task', 'classification')
        FROM labelrounds.assignments a
        JOIN labelrounds.batch_items i ON i.batch_item_id = a.batch_item_id
        JOIN labelrounds.rounds r ON r.round_id = i.round_id
        JOIN labelrounds.campaigns c ON c.campaign_id = i.campaign_id
        WHERE a.lease_id = lease
        ORDER BY a.assignment_id;
END $$;

-- What becomes of one answered row. Its task and item are locked by the caller.
CREATE OR REPLACE FUNCTION labelrounds.take_answer(v int, request uuid, answer jsonb) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    a labelrounds.assignments;
    t labelrounds.tasks;
    known labelrounds.annotations;
    given jsonb := answer -> 'label';
    told text := answer ->> 'label';
    kind text := coalesce(answer ->> 'answer', 'label');
    verdict labelrounds.disposition := 'surplus';
    classes jsonb;
    wanted text;
BEGIN
    SELECT * INTO a FROM labelrounds.assignments x
    WHERE x.assignment_id = (answer ->> 'assignment_id')::uuid AND x.vendor_id = v;
    IF a.assignment_id IS NULL THEN RETURN 'rejected:UNKNOWN_ASSIGNMENT'; END IF;
    SELECT r.spec -> 'classes', r.spec ->> 'task' INTO classes, wanted FROM labelrounds.tasks x
    JOIN labelrounds.rounds r ON r.round_id = x.round_id WHERE x.task_id = a.task_id;
    IF kind = 'skip' THEN told := NULL;
    ELSIF kind <> 'label' THEN RETURN 'rejected:UNKNOWN_ANSWER';
    ELSIF told IS NULL THEN RETURN 'rejected:LABEL_MISSING';
    ELSIF wanted = 'multilabel' THEN
        IF jsonb_typeof(given) <> 'array' THEN RETURN 'rejected:NOT_A_LIST'; END IF;
        told := labelrounds.label_set(classes, given);
        IF told IS NULL THEN RETURN 'rejected:UNKNOWN_CLASS'; END IF;
    ELSIF jsonb_typeof(given) = 'array' THEN RETURN 'rejected:NOT_ONE_CLASS';
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

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA labelrounds, vendor FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vendor TO labelrounds_vendor;
