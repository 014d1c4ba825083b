DROP TABLE telemetry_days;
DROP TABLE telemetry_hours;
DROP TABLE telemetry_minutes;
DROP POLICY tenant ON telemetry_latest;
ALTER TABLE telemetry_latest DISABLE ROW LEVEL SECURITY;
ALTER TABLE telemetry_latest DROP CONSTRAINT fk_telemetry_latest_robot;
