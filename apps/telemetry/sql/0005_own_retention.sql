-- An organization may keep less than the platform does. Whole chunks are dropped once no organization
-- keeps them; the rows of a single organization are deleted in bounded batches, robot by robot.

CREATE OR REPLACE FUNCTION retention_period(hypertable text) RETURNS interval
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT CASE
        WHEN hypertable = 'robot_status_history' THEN interval '2 years'
        WHEN hypertable IN (
            'robot_telemetry', 'telemetry_days', 'telemetry_hours', 'telemetry_minutes')
        THEN interval '1 year'
    END;
$$;

-- Days of retention: the setting, up to the maximum of the kind. Telemetry includes its rollups.
CREATE FUNCTION retention_days(kind text, settings jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT CASE
        WHEN jsonb_typeof(settings -> (kind || '_retention_days')) = 'number'
             AND settings ->> (kind || '_retention_days') ~ '^[1-9][0-9]{0,2}$'
        THEN least((settings ->> (kind || '_retention_days'))::integer, most)
        ELSE most
    END
    FROM (SELECT CASE kind WHEN 'telemetry' THEN 365 WHEN 'status_history' THEN 730 END) AS m (most);
$$;

-- The oldest time that an organization keeps. A midnight (UTC), so that no rollup of an hour or a day
-- loses a part of its points.
CREATE FUNCTION retention_since(kind text, settings jsonb) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT date_trunc('day', now(), 'UTC')
        - make_interval(hours => 24 * retention_days(kind, settings));
$$;

-- The same for a robot's organization, if it is the organization of the open transaction; otherwise
-- NULL, which deletes nothing.
CREATE FUNCTION retention_since_of(kind text, robot uuid, most integer) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF most IS NULL OR most NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'Retention deletes 1 to 100000 rows at a time.';
    END IF;
    RETURN (
        SELECT retention_since(kind, o.settings)
        FROM robots r JOIN organizations o ON o.id = r.organization_id
        WHERE r.id = robot
          AND o.id = nullif(current_setting('app.organization_id', true), '')::uuid);
END;
$$;

-- Delete expired rows of one robot of the open transaction's organization, at most `most`; return
-- their number. The status that was in effect at the limit is kept, as the initial status of the
-- first day that is kept.
CREATE FUNCTION retention_forget(kind text, robot uuid, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    hypertable text := CASE kind
        WHEN 'telemetry' THEN 'robot_telemetry'
        WHEN 'status_history' THEN 'robot_status_history'
    END;
    since timestamptz := retention_since_of(kind, robot, most);
    least_time timestamptz;
    until timestamptz;
    gone bigint;
BEGIN
    IF kind = 'status_history' THEN
        SELECT max(h.time) INTO since FROM robot_status_history h
        WHERE h.robot_id = robot AND h.time < since;
    END IF;
    -- Dynamic SQL with literal limits, so that only the affected chunks are planned.
    EXECUTE format('SELECT min(time) FROM %I WHERE robot_id = %L AND time < %L',
        hypertable, robot, since) INTO least_time;
    IF least_time IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('SELECT time FROM %I WHERE robot_id = %L AND time >= %L AND time < %L'
        ' ORDER BY time OFFSET %s LIMIT 1', hypertable, robot, least_time, since, most) INTO until;
    -- Rows with the same time are deleted together, even if they exceed the limit.
    until := greatest(coalesce(until, since), least_time + interval '1 microsecond');
    EXECUTE format('DELETE FROM %I WHERE robot_id = %L AND time >= %L AND time < %L',
        hypertable, robot, least_time, until);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END;
$$;

-- The same for the rollups of a robot, metric by metric. Days are deleted last, because the job finds
-- remaining work by them, and latest values after them.
CREATE FUNCTION retention_forget_rollups(robot uuid, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    since timestamptz := retention_since_of('telemetry', robot, most);
    rollup text;
    metric text;
    until timestamptz;
    gone bigint;
    total bigint := 0;
BEGIN
    FOREACH rollup IN ARRAY ARRAY['telemetry_minutes', 'telemetry_hours', 'telemetry_days'] LOOP
        FOR metric IN EXECUTE format('SELECT l.metric_name FROM telemetry_latest l'
            ' CROSS JOIN LATERAL (SELECT FROM %1$I t WHERE t.robot_id = l.robot_id'
            ' AND t.metric_name = l.metric_name AND t.bucket < %3$L LIMIT 1) AS old'
            ' WHERE l.robot_id = %2$L', rollup, robot, since)
        LOOP
            EXECUTE format('SELECT bucket FROM %I WHERE robot_id = %L AND metric_name = %L'
                ' AND bucket < %L ORDER BY bucket OFFSET %s LIMIT 1',
                rollup, robot, metric, since, most - total) INTO until;
            EXECUTE format('DELETE FROM %I WHERE robot_id = %L AND metric_name = %L'
                ' AND bucket < %L', rollup, robot, metric, coalesce(until, since));
            GET DIAGNOSTICS gone = ROW_COUNT;
            total := total + gone;
            IF total >= most THEN
                RETURN total;
            END IF;
        END LOOP;
    END LOOP;
    DELETE FROM telemetry_latest WHERE robot_id = robot AND time < since;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN total + gone;
END;
$$;

-- The time before which no organization keeps telemetry: chunks that end before it are dropped. It is
-- the oldest limit of all organizations with robots.
CREATE FUNCTION retention_dropped_before(hypertable text) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT greatest(
        now() - retention_period(hypertable),
        CASE WHEN hypertable <> 'robot_status_history' THEN (
            SELECT min(retention_since('telemetry', o.settings)) FROM organizations o
            WHERE EXISTS (SELECT FROM robots r WHERE r.organization_id = o.id))
        END);
$$;

-- How chunks are dropped, and before which time: by the native policy if that drops all due chunks.
CREATE FUNCTION retention_methods()
RETURNS TABLE (hypertable text, method text, dropped_before timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.name,
        CASE WHEN timescaledb_edition() = 'timescale' AND t.before <= now() - retention_period(t.name)
            THEN 'policy' ELSE 'drop_chunks' END,
        t.before
    FROM (
        SELECT name, retention_dropped_before(name) AS before
        FROM unnest(ARRAY['robot_status_history', 'robot_telemetry',
            'telemetry_days', 'telemetry_hours', 'telemetry_minutes']) AS name
    ) AS t;
$$;

CREATE OR REPLACE FUNCTION retention_due()
RETURNS TABLE (hypertable text, chunk text, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.hypertable_name::text, format('%I.%I', c.chunk_schema, c.chunk_name), c.range_end
    FROM timescaledb_information.chunks c
    WHERE c.hypertable_schema = 'public'
      AND c.range_end < retention_dropped_before(c.hypertable_name::text)
    ORDER BY c.hypertable_name, c.range_end;
$$;

-- Dropping a chunk locks `robots` briefly, because its foreign key is dropped as well. Readers of
-- robots would queue behind a transaction that waits for that lock, so the lock timeout is short, and
-- the next run, an hour later, tries again.
CREATE OR REPLACE FUNCTION retention_apply()
RETURNS TABLE (hypertable text, method text, dropped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '2s' AS $$
DECLARE
    before timestamptz;
BEGIN
    FOR hypertable, method, before IN SELECT * FROM retention_methods() LOOP
        dropped := 0;
        IF timescaledb_edition() = 'timescale' THEN
            PERFORM add_retention_policy(
                format('public.%I', hypertable)::regclass, retention_period(hypertable),
                if_not_exists => true);
        END IF;
        IF method = 'drop_chunks' THEN
            BEGIN
                SELECT count(*) INTO dropped FROM drop_chunks(
                    format('public.%I', hypertable)::regclass, older_than => before);
            EXCEPTION WHEN lock_not_available THEN
                method := 'busy';
            END;
        END IF;
        RETURN NEXT;
    END LOOP;
END;
$$;

REVOKE ALL ON FUNCTION retention_forget(text, uuid, integer),
    retention_forget_rollups(uuid, integer), retention_dropped_before(text),
    retention_methods() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_forget(text, uuid, integer),
    retention_forget_rollups(uuid, integer), retention_dropped_before(text),
    retention_methods() TO urfmp_app;
