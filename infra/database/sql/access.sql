-- name: gateway_role
SELECT CAST(role AS text) AS role FROM labelrounds.gateway_logins ORDER BY role LIMIT 1

-- name: admit_gateway
INSERT INTO labelrounds.gateway_logins (role) VALUES (:role) ON CONFLICT DO NOTHING

-- name: find_vendor
-- Locked: two rotations at once would each keep the other's new key for the grace only.
SELECT vendor_id, CAST(state AS text) AS state FROM labelrounds.vendors WHERE name = :name FOR NO KEY UPDATE

-- name: insert_key
INSERT INTO labelrounds.api_keys (vendor_id, key_sha256, prefix)
VALUES (:vendor_id, :key_sha256, :prefix) RETURNING key_id

-- name: shorten_keys
-- What expires sooner already stays so.
UPDATE labelrounds.api_keys SET expires_at = clock_timestamp() + make_interval(secs => :grace)
WHERE vendor_id = :vendor_id AND key_id <> :key_id AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > clock_timestamp() + make_interval(secs => :grace))

-- name: revoke_key
UPDATE labelrounds.api_keys SET revoked_at = clock_timestamp()
WHERE key_id = :key_id AND revoked_at IS NULL RETURNING key_id

-- name: list_keys
SELECT k.key_id, v.name AS vendor, k.prefix, k.created_at, k.expires_at, k.revoked_at, k.used_at,
       CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
            WHEN k.expires_at <= clock_timestamp() THEN 'expired'
            WHEN k.expires_at IS NOT NULL THEN 'replaced' ELSE 'valid' END AS state
FROM labelrounds.api_keys k JOIN labelrounds.vendors v USING (vendor_id)
WHERE CAST(:name AS text) IS NULL OR v.name = :name ORDER BY v.name, k.key_id

-- name: insert_bell
INSERT INTO labelrounds.bells (token_sha256, vendor_id)
VALUES (:token_sha256, :vendor_id)

-- name: remove_bells
DELETE FROM labelrounds.bells WHERE vendor_id = :vendor_id

-- name: take_rings
WITH rung AS (
    UPDATE labelrounds.bells SET rung_at = NULL WHERE rung_at IS NOT NULL RETURNING vendor_id)
SELECT DISTINCT v.name FROM rung JOIN labelrounds.vendors v USING (vendor_id) ORDER BY v.name
