-- Roles are shared by all databases of a server, so another database of labelrounds may have made them already.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['labelrounds_owner', 'labelrounds_vendor'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
    IF NOT pg_has_role(current_user, 'labelrounds_owner', 'USAGE') THEN
        EXECUTE format('GRANT labelrounds_owner TO %I', current_user);
    END IF;
    -- A temporary table could smuggle a trigger into a function that runs with the owner's rights.
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO labelrounds_vendor', current_database());
END $$;

ALTER SCHEMA labelrounds OWNER TO labelrounds_owner;
CREATE SCHEMA vendor AUTHORIZATION labelrounds_owner;
SET LOCAL ROLE labelrounds_owner;
