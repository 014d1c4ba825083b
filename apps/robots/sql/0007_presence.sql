-- Several robots can change in one statement: what the history stores of each robot itself comes
-- from its row. app.status_resumed says that the status is that of an earlier report.
CREATE OR REPLACE FUNCTION log_robot_status_change()
RETURNS TRIGGER AS $$
DECLARE
    row_time timestamptz := coalesce(nullif(current_setting('app.status_time', true), '')::timestamptz,
                                     clock_timestamp());
    row_metadata jsonb := nullif(current_setting('app.status_metadata', true), '')::jsonb;
    before text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status IS NOT NULL THEN
            INSERT INTO robot_status_history (time, robot_id, status, reason, metadata)
            VALUES (row_time, NEW.id, NEW.status,
                    nullif(current_setting('app.status_reason', true), ''), row_metadata);
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
        IF current_setting('app.status_resumed', true) = 'on' THEN
            row_metadata := coalesce(row_metadata, '{}')
                || jsonb_build_object('reported_at', NEW.reported_at);
        END IF;
        IF NEW.status = 'emergency_stop' AND NEW.stop_latched_at IS NOT NULL THEN
            row_metadata := coalesce(row_metadata, '{}')
                || jsonb_build_object('stop_latched_at', NEW.stop_latched_at);
        END IF;
        INSERT INTO robot_status_history (time, robot_id, status, previous_status, reason, metadata)
        VALUES (row_time, NEW.id, NEW.status, before,
                nullif(current_setting('app.status_reason', true), ''), row_metadata);
    END IF;
    RETURN NEW;
END;
$$ language 'plpgsql' SET search_path = pg_catalog, public, pg_temp;

-- A lost connection is recorded in the status history, not in the audit log.
DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('robots.robot', 'organization_id',
                  '{last_seen,presence_lost_at,reported_at,reported_status,status,version}',
                  '{connection_config}');
