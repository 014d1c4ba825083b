DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('robots.robot', 'organization_id',
                  '{last_seen,reported_status,status,version}', '{connection_config}');
DROP FUNCTION robot_status_enter(uuid, timestamptz, text, text, jsonb);
DROP FUNCTION robot_status_repeat(uuid, timestamptz, text, text, jsonb);
DROP FUNCTION robot_status_free_time(uuid, timestamptz, text);
DROP POLICY tenant ON robot_status_repeats;
DROP FUNCTION is_status_resumed(jsonb);
DROP FUNCTION is_status_locked(text, jsonb);
CREATE OR REPLACE FUNCTION log_robot_status_change()
RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status IS NOT NULL THEN
            INSERT INTO robot_status_history (time, robot_id, status, reason, metadata)
            VALUES (clock_timestamp(), NEW.id, NEW.status,
                    nullif(current_setting('app.status_reason', true), ''),
                    nullif(current_setting('app.status_metadata', true), '')::jsonb);
        END IF;
    ELSIF OLD.status IS DISTINCT FROM NEW.status THEN
        INSERT INTO robot_status_history (time, robot_id, status, previous_status, reason, metadata)
        VALUES (clock_timestamp(), NEW.id, NEW.status, OLD.status,
                nullif(current_setting('app.status_reason', true), ''),
                nullif(current_setting('app.status_metadata', true), '')::jsonb);
    END IF;
    RETURN NEW;
END;
$$ language 'plpgsql' SET search_path = pg_catalog, public, pg_temp;
