-- The gateway speaks for vendors that call over HTTP. It has a login of its own that reaches functions and nothing
-- else, and learns from a key's digest for whom a call is.

-- Roles are shared by all databases of a server.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['labelrounds_gateway', 'labelrounds_report', 'labelrounds_auditor'] LOOP
        IF to_regrole(wanted) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), wanted);
    END LOOP;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO labelrounds_owner', current_database());
END $$;
CREATE SCHEMA gateway AUTHORIZATION labelrounds_owner;
CREATE SCHEMA report AUTHORIZATION labelrounds_owner;
DO $$
BEGIN
    EXECUTE format('REVOKE CREATE ON DATABASE %I FROM labelrounds_owner', current_database());
END $$;

SET LOCAL ROLE labelrounds_owner;

-- A key is 32 random bytes, so its plain digest tells nobody anything; the key itself is stored nowhere.
CREATE TABLE labelrounds.api_keys (
    key_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    key_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32),
    prefix text NOT NULL,              -- by which people tell keys apart
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,            -- of one that was replaced: the end of its grace
    revoked_at timestamptz,
    used_at timestamptz                -- to the hour, so that hardly a call writes it
);
CREATE INDEX api_keys_vendor ON labelrounds.api_keys (vendor_id);

-- A vendor's other system may ring here when it has something to fetch; the address is its only secret.
CREATE TABLE labelrounds.bells (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    vendor_id int NOT NULL REFERENCES labelrounds.vendors,
    rung_at timestamptz,               -- null when nobody rang since the last look
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Keys are issued and withdrawn, never taken away: the log says which there were.
CREATE FUNCTION labelrounds.log_key() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.revoked_at IS NOT NULL OR NEW.key_sha256 <> OLD.key_sha256
                             OR NEW.vendor_id <> OLD.vendor_id) THEN
        RAISE EXCEPTION 'key % cannot be changed', OLD.key_id USING ERRCODE = '23514';
    END IF;
    INSERT INTO labelrounds.events (kind, object_id, from_state, to_state, detail, vendor_id)
    VALUES ('key', NEW.key_id, CASE WHEN TG_OP = 'UPDATE' THEN 'issued' END,
            CASE WHEN NEW.revoked_at IS NOT NULL THEN 'revoked' ELSE 'issued' END, NEW.prefix, NEW.vendor_id);
    RETURN NULL;
END $$;
CREATE TRIGGER log_key AFTER INSERT OR UPDATE OF vendor_id, key_sha256, revoked_at ON labelrounds.api_keys
    FOR EACH ROW EXECUTE FUNCTION labelrounds.log_key();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON labelrounds.api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION labelrounds.refuse_change();

-- For whom a call is: named by the digest of its key, from here on the vendor of this transaction. No row is an
-- unknown, expired or revoked key: the caller cannot tell which.
CREATE FUNCTION gateway.authenticate(key_sha256 bytea)
RETURNS TABLE (vendor_id int, name text, state text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    known labelrounds.api_keys;
    now_ constant timestamptz := clock_timestamp();
BEGIN
    SELECT k.* INTO known FROM labelrounds.api_keys k
    WHERE k.key_sha256 = authenticate.key_sha256
      AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now_);
    PERFORM set_config('labelrounds.vendor_id', coalesce(known.vendor_id::text, ''), true);
    IF known.key_id IS NULL THEN RETURN; END IF;
    IF known.used_at IS NULL OR known.used_at < now_ - interval '1 hour' THEN
        -- Whoever else is writing it writes the same.
        PERFORM FROM labelrounds.api_keys k WHERE k.key_id = known.key_id FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE labelrounds.api_keys k SET used_at = now_ WHERE k.key_id = known.key_id;
        END IF;
    END IF;
    RETURN QUERY SELECT v.vendor_id, v.name, v.state::text FROM labelrounds.vendors v
                 WHERE v.vendor_id = known.vendor_id;
END $$;

-- Somebody rang: the operator's next look at this vendor should be now. False for an unknown address.
CREATE FUNCTION gateway.ring(token_sha256 bytea) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Many rings before one look are one ring: only the first writes.
    UPDATE labelrounds.bells b SET rung_at = clock_timestamp()
    WHERE b.token_sha256 = ring.token_sha256 AND b.rung_at IS NULL;
    RETURN FOUND OR EXISTS (SELECT FROM labelrounds.bells b WHERE b.token_sha256 = ring.token_sha256);
END $$;
