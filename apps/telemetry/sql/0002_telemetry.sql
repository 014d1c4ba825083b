CREATE TABLE robot_telemetry (
    time TIMESTAMPTZ NOT NULL,
    robot_id UUID NOT NULL,
    metric_name VARCHAR(100) NOT NULL,
    value DOUBLE PRECISION,
    unit VARCHAR(20),
    metadata JSONB,

    CONSTRAINT fk_telemetry_robot
        FOREIGN KEY (robot_id) REFERENCES robots (id) ON DELETE CASCADE,
    -- A retry stores no point twice.
    CONSTRAINT robot_telemetry_robot_metric_time_key UNIQUE (robot_id, metric_name, time)
);

SELECT create_hypertable('robot_telemetry', 'time', chunk_time_interval => INTERVAL '1 day');

-- Telemetry is append-only. Retention drops whole chunks, as the owner of the tables.
REVOKE UPDATE, DELETE ON robot_telemetry FROM urfmp_app;

CREATE INDEX idx_telemetry_robot_time ON robot_telemetry (robot_id, time DESC);
CREATE INDEX idx_telemetry_metric ON robot_telemetry (metric_name, time DESC);
