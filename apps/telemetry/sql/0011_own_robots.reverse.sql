CREATE OR REPLACE FUNCTION telemetry_store(
    key_ids uuid[], key_robots uuid[], key_networks text[], scope text,
    robot_ids uuid[], serial_numbers text[],
    series_robots uuid[], series_metrics text[], series_units text[],
    point_series integer[], point_times bigint[], point_values double precision[],
    blocks jsonb)
RETURNS uuid[]
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    refused uuid[] := ARRAY(SELECT telemetry_refused(
        key_ids, key_robots, key_networks, scope, robot_ids, serial_numbers));
BEGIN
    IF cardinality(refused) = 0 THEN
        INSERT INTO robot_telemetry (robot_id, metric_name, time, value, unit)
        SELECT series_robots[series], series_metrics[series],
               timestamptz '2000-01-01 00:00:00+00' + moment * interval '1 microsecond',
               value, series_units[series]
        FROM unnest(point_series, point_times, point_values) AS point (series, moment, value);

        INSERT INTO telemetry_batches
            (organization_id, robot_ids, metric_names, least_time, greatest_time)
        SELECT current_setting('app.organization_id')::uuid, block.*
        FROM jsonb_to_recordset(blocks) AS block (
            robot_ids uuid[], metric_names text[],
            least_time timestamptz, greatest_time timestamptz);
    END IF;
    RETURN refused;
END;
$$;
DROP TRIGGER require_own_robot_trigger ON robot_telemetry;
DROP TRIGGER require_own_robot_trigger ON telemetry_minutes;
DROP TRIGGER require_own_robot_trigger ON telemetry_hours;
DROP TRIGGER require_own_robot_trigger ON telemetry_days;
