-- A second consumer of new points: alert rules.
CREATE OR REPLACE FUNCTION telemetry_batches_clean_up() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM telemetry_batches
        WHERE rolled_up_at IS NOT NULL AND evaluated_at IS NOT NULL
        RETURNING 1
    )
    SELECT count(*) FROM gone;
$$;

CREATE FUNCTION telemetry_batch_organizations_to_evaluate() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT organization_id FROM telemetry_batches WHERE evaluated_at IS NULL;
$$;
REVOKE ALL ON FUNCTION telemetry_batch_organizations_to_evaluate() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry_batch_organizations_to_evaluate() TO urfmp_app;

-- Points that were stored before rules existed are not evaluated.
UPDATE telemetry_batches SET evaluated_at = now();
