-- name: authenticate
-- What the gateway asks. The key is looked up and its vendor called in one statement: no row is a key that is not
-- known, and then nothing was called.
SELECT vendor_id, name, '' AS told FROM gateway.authenticate(:key)

-- name: lease
SELECT a.vendor_id, a.name, CAST(vendor.lease(CAST(:request AS uuid), :max, :ttl, :campaign) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: extend
SELECT a.vendor_id, a.name, CAST(vendor.extend(CAST(:request AS uuid), CAST(:lease AS uuid), :ttl) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: release
SELECT a.vendor_id, a.name, CAST(vendor.release(
    CAST(:request AS uuid), CAST(:lease AS uuid), CAST(:assignments AS uuid[]), :reason) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: leases
SELECT a.vendor_id, a.name, CAST(vendor.leases() AS text) AS told FROM gateway.authenticate(:key) AS a

-- name: payloads
SELECT a.vendor_id, a.name, CAST(vendor.payloads(CAST(:assignments AS uuid[])) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: submit
SELECT a.vendor_id, a.name, CAST(vendor.submit(CAST(:request AS uuid), CAST(:rows AS jsonb)) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: correct
SELECT a.vendor_id, a.name, CAST(vendor.correct(CAST(:request AS uuid), CAST(:rows AS jsonb)) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: rejects
SELECT a.vendor_id, a.name, CAST(vendor.rejects(:after, :at_most) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: events
SELECT a.vendor_id, a.name, CAST(vendor.events(:after, :at_most) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: schema
SELECT a.vendor_id, a.name, CAST(vendor.label_schema(:id, :version) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: report
SELECT a.vendor_id, a.name, CAST(vendor.report(CAST(:since AS timestamptz), CAST(:until AS timestamptz)) AS text) AS told
FROM gateway.authenticate(:key) AS a

-- name: ring
SELECT gateway.ring(:token)

-- name: figures
SELECT CAST(gateway.figures() AS text)

-- name: alive
SELECT 1

-- name: take_deliveries
SELECT * FROM gateway.take_deliveries(CAST(:holder AS uuid), :hold, :at_most, CAST(:moment AS timestamptz))

-- name: settle_delivery
SELECT gateway.settle_delivery(CAST(:holder AS uuid), :webhook_id, :seq, :outcome, :wait, :error, :hold,
                               CAST(:moment AS timestamptz))

-- name: let_go
SELECT gateway.let_go(CAST(:holder AS uuid), :webhook_id)
