-- Rollups by minute, hour and day (UTC), and the newest point of each series. The worker maintains
-- them from telemetry_batches; ranges that are not rolled up yet are read from the points.

DO $levels$
DECLARE
    level text;
    chunk interval;
BEGIN
    FOR level, chunk IN
        VALUES ('minutes', interval '7 days'), ('hours', '90 days'), ('days', '1 year')
    LOOP
        EXECUTE replace($table$
            CREATE TABLE telemetry_LEVEL (
                robot_id UUID NOT NULL,
                metric_name VARCHAR(100) NOT NULL,
                bucket TIMESTAMPTZ NOT NULL,
                count BIGINT NOT NULL,
                -- `sum` adds values below 1e150; `wide_sum` adds larger ones, whose sum might
                -- overflow a double, times 2^-600.
                sum DOUBLE PRECISION,
                wide_sum DOUBLE PRECISION,
                min DOUBLE PRECISION NOT NULL,
                max DOUBLE PRECISION NOT NULL,
                first DOUBLE PRECISION NOT NULL,
                first_at TIMESTAMPTZ NOT NULL,
                last DOUBLE PRECISION NOT NULL,
                last_at TIMESTAMPTZ NOT NULL,
                unit VARCHAR(20),

                CONSTRAINT telemetry_LEVEL_pkey PRIMARY KEY (robot_id, metric_name, bucket),
                CONSTRAINT fk_telemetry_LEVEL_robot
                    FOREIGN KEY (robot_id) REFERENCES robots (id) ON DELETE CASCADE
            ) WITH (fillfactor = 90)
        $table$, 'LEVEL', level);
        PERFORM create_hypertable('telemetry_' || level, 'bucket', chunk_time_interval => chunk,
            create_default_indexes => false);
    END LOOP;
END;
$levels$;

ALTER TABLE telemetry_latest
    ADD CONSTRAINT fk_telemetry_latest_robot
        FOREIGN KEY (robot_id) REFERENCES robots (id) ON DELETE CASCADE,
    SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- A policy without the audit trigger: these rows change constantly.
ALTER TABLE telemetry_latest ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON telemetry_latest
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
