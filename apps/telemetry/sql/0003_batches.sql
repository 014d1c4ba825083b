-- A policy without the audit trigger: these rows change constantly.
ALTER TABLE telemetry_batches ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON telemetry_batches
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);

-- Every row is updated and deleted within seconds.
ALTER TABLE telemetry_batches SET (
    fillfactor = 80, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1);

-- Workers process the organizations that have pending work, each in a transaction of its own.
CREATE FUNCTION telemetry_batch_organizations() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT organization_id FROM telemetry_batches WHERE rolled_up_at IS NULL;
$$;

-- Delete the rows that every consumer has processed.
CREATE FUNCTION telemetry_batches_clean_up() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (DELETE FROM telemetry_batches WHERE rolled_up_at IS NOT NULL RETURNING 1)
    SELECT count(*) FROM gone;
$$;

REVOKE ALL ON FUNCTION telemetry_batch_organizations(), telemetry_batches_clean_up() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry_batch_organizations(), telemetry_batches_clean_up()
    TO urfmp_app;

-- Points that were stored before rollups existed are pending work as well.
INSERT INTO telemetry_batches (organization_id, robot_ids, metric_names, least_time, greatest_time)
SELECT r.organization_id, ARRAY[r.id], array_agg(DISTINCT t.metric_name), min(t.time), max(t.time)
FROM robot_telemetry t
JOIN robots r ON r.id = t.robot_id
GROUP BY r.organization_id, r.id, time_bucket('10 minutes', t.time);
