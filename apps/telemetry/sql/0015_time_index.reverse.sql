-- Writers wait for one chunk at a time, not for the whole table.
CREATE INDEX IF NOT EXISTS robot_telemetry_time_idx ON robot_telemetry ("time" DESC)
    WITH (timescaledb.transaction_per_chunk);
