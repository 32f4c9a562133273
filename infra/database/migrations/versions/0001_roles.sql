-- Roles are shared by all databases of a server.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['labelrounds_owner', 'labelrounds_vendor'] LOOP
        -- Made before by an administrator, or by us for another database.
        CONTINUE WHEN to_regrole(wanted) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
    IF NOT pg_has_role(current_user, 'labelrounds_owner', 'USAGE') THEN
        EXECUTE format('GRANT labelrounds_owner TO %I', current_user);
    END IF;
    -- Whoever is to own a schema must be allowed to make one; taken back below.
    EXECUTE format('GRANT CREATE ON DATABASE %I TO labelrounds_owner', current_database());
    -- A temporary table could smuggle a trigger into a function that runs with the owner's rights.
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO labelrounds_vendor', current_database());
END $$;

-- A vendor's login could hold the lock under which a round is driven, or fill the disk with large objects.
-- Only a superuser can take these built-in functions from PUBLIC; with another login they stay.
DO $$
DECLARE
    builtin regprocedure;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RETURN; END IF;
    FOR builtin IN SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
          AND proname ~ '^(pg_(try_)?advisory_.*|lo_.*|loread|lowrite)$' LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', builtin);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO labelrounds_owner', builtin);
    END LOOP;
END $$;

ALTER SCHEMA labelrounds OWNER TO labelrounds_owner;
CREATE SCHEMA vendor AUTHORIZATION labelrounds_owner;

DO $$
BEGIN
    EXECUTE format('REVOKE CREATE ON DATABASE %I FROM labelrounds_owner', current_database());
END $$;

SET LOCAL ROLE labelrounds_owner;
-- Functions are everybody's by default; those of later migrations are not either.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
