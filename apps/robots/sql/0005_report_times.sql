-- Reports that carry the robot's own time. A row's time is that of the report in app.status_time,
-- else the time of the change; it is always after the robot's newest row and report, so that rows
-- are in the order of changes although a robot's clock can be ahead. app.status_previous is the newest row's status where a late report has changed
-- it.
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

-- Whether the platform set a row's status against the robot's report: a maintenance lock or a
-- latched stop.
CREATE FUNCTION is_status_locked(status text, metadata jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT status = 'maintenance' OR coalesce(metadata, '{}') ? 'stop_latched_at'
$$;

-- Whether a row shows the status of an earlier report, because the robot reconnected or a lock
-- ended.
CREATE FUNCTION is_status_resumed(metadata jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(metadata, '{}') ? 'reported_at'
$$;

-- Reports of a robot that wrote no history row, because their status was in effect already. A late
-- report can come between, and then they count. A policy without the audit trigger: machines write
-- these rows constantly.
ALTER TABLE robot_status_repeats
    ADD CONSTRAINT fk_status_repeats_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE;
ALTER TABLE robot_status_repeats ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON robot_status_repeats
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);

-- Returns the first free microsecond for a report: after the robot's reports with the same time,
-- which are in the order in which they were received.
CREATE FUNCTION robot_status_free_time(robot uuid, reported_at timestamptz, reported_time text)
RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    free timestamptz;
BEGIN
    SELECT coalesce(max(same.time) + INTERVAL '1 microsecond', reported_at) INTO free FROM (
        SELECT h.time, h.metadata FROM robot_status_history h
        WHERE h.robot_id = robot AND h.time >= reported_at
          AND h.time < reported_at + INTERVAL '1 millisecond'
        UNION ALL
        SELECT r.time, r.metadata FROM robot_status_repeats r
        WHERE r.robot_id = robot AND r.time >= reported_at
          AND r.time < reported_at + INTERVAL '1 millisecond'
    ) AS same
    WHERE same.metadata ->> 'robot_time' = reported_time;
    WHILE EXISTS (SELECT FROM robot_status_history h WHERE h.robot_id = robot AND h.time = free)
        OR EXISTS (SELECT FROM robot_status_repeats r WHERE r.robot_id = robot AND r.time = free)
    LOOP
        free := free + INTERVAL '1 microsecond';
    END LOOP;
    RETURN free;
END;
$$;

-- Keeps a report that wrote no history row; the newest 1,000 of each robot.
CREATE FUNCTION robot_status_repeat(
    robot uuid, sent_at timestamptz, sent_status text, report_reason text,
    report_metadata jsonb
) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO robot_status_repeats (organization_id, robot_id, time, status, reason, metadata)
    SELECT r.organization_id, r.id,
           robot_status_free_time(r.id, sent_at, report_metadata ->> 'robot_time'),
           sent_status, report_reason, report_metadata
    FROM robots r WHERE r.id = robot;
    DELETE FROM robot_status_repeats WHERE robot_id = robot AND time <= (
        SELECT r.time FROM robot_status_repeats r WHERE r.robot_id = robot
        ORDER BY r.time DESC OFFSET 1000 LIMIT 1);
$$;

-- Enters a report that is older than the robot's newest row, and returns the status of the newest
-- row afterwards. The report's status is in effect until the next report or the next row of the
-- platform. Resumed rows before the next report show this report. Rows that are not changes any
-- more are moved to the repeats. The caller has locked the robot.
CREATE FUNCTION robot_status_enter(
    robot uuid, reported_at timestamptz, reported_status text, report_reason text,
    report_metadata jsonb
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization uuid;
    row_time timestamptz;
    next_row timestamptz;
    next_repeat record;
    before record;
    entry record;
BEGIN
    SELECT organization_id INTO organization FROM robots WHERE id = robot
        AND organization_id = nullif(current_setting('app.organization_id', true), '')::uuid;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'robot % is not of the open organization', robot;
    END IF;
    row_time := robot_status_free_time(robot, reported_at, report_metadata ->> 'robot_time');
    SELECT h.time, h.status, h.metadata INTO before FROM robot_status_history h
    WHERE h.robot_id = robot AND h.time < row_time ORDER BY h.time DESC LIMIT 1;
    SELECT min(h.time) INTO next_row FROM robot_status_history h
    WHERE h.robot_id = robot AND h.time > row_time AND h.status <> 'offline'
      AND NOT is_status_locked(h.status, h.metadata) AND NOT is_status_resumed(h.metadata);
    SELECT r.* INTO next_repeat FROM robot_status_repeats r
    WHERE r.robot_id = robot AND r.time > row_time AND (next_row IS NULL OR r.time < next_row)
    ORDER BY r.time LIMIT 1;

    INSERT INTO robot_status_history (time, robot_id, status, reason, metadata)
    VALUES (row_time, robot, reported_status, report_reason, report_metadata);
    IF next_repeat.time IS NOT NULL THEN
        next_row := next_repeat.time;
        DELETE FROM robot_status_repeats r WHERE r.robot_id = robot AND r.time = next_row;
        INSERT INTO robot_status_history (time, robot_id, status, reason, metadata)
        VALUES (next_row, robot, next_repeat.status, next_repeat.reason, next_repeat.metadata);
    END IF;
    UPDATE robot_status_history h SET status = reported_status,
        metadata = jsonb_set(h.metadata, '{reported_at}', to_jsonb(reported_at))
    WHERE h.robot_id = robot AND h.time > row_time AND (next_row IS NULL OR h.time < next_row)
      AND is_status_resumed(h.metadata);

    FOR entry IN SELECT h.time, h.status, h.previous_status, h.reason, h.metadata
        FROM robot_status_history h
        WHERE h.robot_id = robot AND h.time > coalesce(before.time, '-infinity')
          AND (next_row IS NULL OR h.time <= next_row)
        ORDER BY h.time
    LOOP
        IF entry.status = before.status
            OR is_status_locked(before.status, before.metadata)
            AND entry.time IN (row_time, next_repeat.time)
        THEN
            DELETE FROM robot_status_history h WHERE h.robot_id = robot AND h.time = entry.time;
            IF NOT is_status_resumed(entry.metadata) AND entry.status NOT IN ('offline', 'maintenance')
            THEN
                PERFORM robot_status_repeat(
                    robot, entry.time, entry.status, entry.reason, entry.metadata);
            END IF;
        ELSE
            IF entry.previous_status IS DISTINCT FROM before.status THEN
                UPDATE robot_status_history h SET previous_status = before.status
                WHERE h.robot_id = robot AND h.time = entry.time;
            END IF;
            SELECT entry.time AS time, entry.status AS status, entry.metadata AS metadata
            INTO before;
        END IF;
    END LOOP;
    RETURN (SELECT h.status FROM robot_status_history h WHERE h.robot_id = robot
            ORDER BY h.time DESC LIMIT 1);
END;
$$;
REVOKE ALL ON FUNCTION robot_status_enter(uuid, timestamptz, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION robot_status_enter(uuid, timestamptz, text, text, jsonb) TO urfmp_app;

-- Machines update reported_at constantly, so its changes are not audited.
DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('robots.robot', 'organization_id',
                  '{last_seen,reported_at,reported_status,status,version}', '{connection_config}');

-- Known reports are in the history: its newest row that the platform did not set.
UPDATE robots SET reported_at = (
    SELECT max(h.time) FROM robot_status_history h
    WHERE h.robot_id = robots.id AND h.status <> 'offline' AND NOT is_status_locked(h.status, h.metadata)
);
