-- Chunks beyond the retention of their hypertable, oldest first.
CREATE OR REPLACE FUNCTION retention_due() RETURNS TABLE (hypertable text, chunk text, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.hypertable_name::text, format('%I.%I', c.chunk_schema, c.chunk_name), c.range_end
    FROM timescaledb_information.chunks c
    WHERE c.hypertable_schema = 'public'
      AND c.range_end < now() - retention_period(c.hypertable_name::text)
    ORDER BY c.hypertable_name, c.range_end;
$$;

-- Ensure the native policy, or drop due chunks; return what was done.
CREATE OR REPLACE FUNCTION retention_apply() RETURNS TABLE (hypertable text, method text, dropped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tables text[] := ARRAY['robot_status_history', 'robot_telemetry'];
BEGIN
    FOREACH hypertable IN ARRAY tables LOOP
        dropped := 0;
        IF timescaledb_edition() = 'timescale' THEN
            method := 'policy';
            PERFORM add_retention_policy(
                format('public.%I', hypertable)::regclass, retention_period(hypertable),
                if_not_exists => true);
        ELSE
            method := 'drop_chunks';
            SELECT count(*) INTO dropped FROM drop_chunks(
                format('public.%I', hypertable)::regclass,
                older_than => retention_period(hypertable));
        END IF;
        RETURN NEXT;
    END LOOP;
END;
$$;

DROP FUNCTION retention_methods();
DROP FUNCTION retention_dropped_before(text);
DROP FUNCTION retention_forget(text, uuid, integer);
DROP FUNCTION retention_forget_rollups(uuid, integer);
DROP FUNCTION retention_since_of(text, uuid, integer);
DROP FUNCTION retention_since(text, jsonb);
DROP FUNCTION retention_days(text, jsonb);

CREATE OR REPLACE FUNCTION retention_period(hypertable text) RETURNS interval
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT CASE hypertable
        WHEN 'robot_telemetry' THEN interval '1 year'
        WHEN 'robot_status_history' THEN interval '2 years'
    END;
$$;
