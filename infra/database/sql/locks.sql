-- name: try_lock
SELECT pg_try_advisory_lock(hashtextextended(:key, 0))

-- name: is_held
-- A 64-bit key is shown as two halves.
SELECT EXISTS (
    SELECT 1 FROM pg_locks l, (SELECT hashtextextended(:key, 0) AS k) x
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid = CAST((x.k >> 32) & 4294967295 AS oid) AND l.objid = CAST(x.k & 4294967295 AS oid))
