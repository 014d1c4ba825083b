DROP FUNCTION telemetry_batch_organizations_to_evaluate();
CREATE OR REPLACE FUNCTION telemetry_batches_clean_up() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (DELETE FROM telemetry_batches WHERE rolled_up_at IS NOT NULL RETURNING 1)
    SELECT count(*) FROM gone;
$$;
