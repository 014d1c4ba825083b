CREATE OR REPLACE FUNCTION log_robot_status_change()
RETURNS TRIGGER AS $$
DECLARE
    row_time timestamptz := coalesce(nullif(current_setting('app.status_time', true), '')::timestamptz,
                                     clock_timestamp());
    before text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status IS NOT NULL THEN
            INSERT INTO robot_status_history (time, robot_id, status, reason, metadata)
            VALUES (row_time, NEW.id, NEW.status,
                    nullif(current_setting('app.status_reason', true), ''),
                    nullif(current_setting('app.status_metadata', true), '')::jsonb);
        END IF;
        RETURN NEW;
    END IF;
    before := coalesce(nullif(current_setting('app.status_previous', true), ''), OLD.status);
    IF before IS DISTINCT FROM NEW.status THEN
        IF NEW.reported_at > row_time THEN
            row_time := NEW.reported_at + INTERVAL '1 microsecond';
        END IF;
        SELECT greatest(row_time, max(time) + INTERVAL '1 microsecond') INTO row_time
        FROM robot_status_history WHERE robot_id = NEW.id AND time >= row_time;
        INSERT INTO robot_status_history (time, robot_id, status, previous_status, reason, metadata)
        VALUES (row_time, NEW.id, NEW.status, before,
                nullif(current_setting('app.status_reason', true), ''),
                nullif(current_setting('app.status_metadata', true), '')::jsonb);
    END IF;
    RETURN NEW;
END;
$$ language 'plpgsql' SET search_path = pg_catalog, public, pg_temp;

DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('robots.robot', 'organization_id',
                  '{last_seen,reported_at,reported_status,status,version}', '{connection_config}');
