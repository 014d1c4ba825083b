-- Corrections: delete or replace points of one series of the transaction's organization. Otherwise points
-- are append-only for the run-time role. The functions write the audit row, so that no caller can omit
-- it, and enqueue the points for their consumers. The caller recomputes rollups and the latest value in
-- the same transaction.

-- Acquire the lock of rollups_lock(), and return the organization. A worker, or another correction of
-- the series, would otherwise compute rollups from points that this one changes.
CREATE FUNCTION telemetry_correction_lock(robot uuid, reason text) RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization uuid;
BEGIN
    SELECT r.organization_id INTO organization FROM robots r
    WHERE r.id = robot
      AND r.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid;
    IF organization IS NULL THEN
        RAISE EXCEPTION 'The robot does not belong to the organization of the transaction.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF btrim(coalesce(reason, '')) = '' THEN
        RAISE EXCEPTION 'A correction needs a reason.' USING ERRCODE = 'check_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('telemetry-rollups:' || organization, 0));
    RETURN organization;
END;
$$;

-- Enqueue points, audit the correction and return the ids of the work items. A work item lies within ten
-- minutes. Up to 1000 points are audited with their values, more of them by number, range and digest:
-- the SHA-256 of lines of time (UTC), value and unit.
CREATE FUNCTION telemetry_correction_record(
    act text, organization uuid, robot uuid, metric text, request jsonb,
    moments timestamptz[], old_values double precision[], units text[], new_values double precision[],
    OUT removed jsonb, OUT work_items bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
SET extra_float_digits = 1 AS $$
BEGIN
    WITH item AS (
        INSERT INTO telemetry_batches
            (organization_id, robot_ids, metric_names, least_time, greatest_time)
        SELECT organization, ARRAY[robot], ARRAY[metric], min(p.moment), max(p.moment)
        FROM unnest(moments) AS p (moment)
        GROUP BY time_bucket(interval '10 minutes', p.moment)
        RETURNING id
    )
    SELECT array_agg(item.id) INTO work_items FROM item;

    SELECT jsonb_build_object(
        'points', count(*), 'first_time', min(p.moment), 'last_time', max(p.moment),
        'minimum', min(p.value), 'maximum', max(p.value),
        'digest', encode(sha256(convert_to(string_agg(
            to_char(p.moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ','
            || coalesce(p.value::text, '') || ',' || coalesce(p.unit, '') || E'\n',
            '' ORDER BY p.moment), 'UTF8')), 'hex'))
    INTO removed
    FROM unnest(moments, old_values, units) AS p (moment, value, unit);

    PERFORM audit_record(act, 'robot', robot, true, NULL,
        request || jsonb_build_object('metric_name', metric),
        removed || CASE WHEN cardinality(moments) > 1000 THEN '{}'::jsonb ELSE (
            SELECT jsonb_build_object('values', jsonb_agg(
                jsonb_build_object('time', p.moment, 'value', p.value)
                || CASE WHEN new_values IS NULL THEN '{}'::jsonb
                        ELSE jsonb_build_object('new_value', p.new_value) END
                ORDER BY p.moment))
            FROM unnest(moments, old_values, new_values) AS p (moment, value, new_value)) END);
END;
$$;

-- Delete the points of a series from `since` to before `until`, at most 100,000.
CREATE FUNCTION telemetry_points_delete(
    robot uuid, metric text, since timestamptz, until timestamptz, reason text,
    OUT removed jsonb, OUT work_items bigint[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '10s' AS $$
DECLARE
    organization uuid := telemetry_correction_lock(robot, reason);
    most CONSTANT integer := 100000;
    -- Literal limits in dynamic SQL, so that only the affected chunks are planned.
    condition text := format(
        'robot_id = %L AND metric_name = %L AND time >= %L AND time < %L', robot, metric, since, until);
    total bigint;
    moments timestamptz[];
    old_values double precision[];
    units text[];
BEGIN
    removed := '{"points": 0}';
    work_items := '{}';
    EXECUTE format('SELECT count(*) FROM (SELECT FROM robot_telemetry WHERE %s LIMIT %s) AS p',
        condition, most + 1) INTO total;
    IF total > most THEN
        RAISE EXCEPTION 'A correction deletes at most % points.', most
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
    EXECUTE format('WITH gone AS (DELETE FROM robot_telemetry WHERE %s RETURNING time, value, unit)'
        ' SELECT array_agg(time ORDER BY time), array_agg(value ORDER BY time),'
        ' array_agg(unit ORDER BY time) FROM gone', condition)
        INTO moments, old_values, units;
    IF moments IS NOT NULL THEN
        SELECT * INTO removed, work_items FROM telemetry_correction_record(
            'telemetry.points.delete', organization, robot, metric,
            jsonb_build_object('start', since, 'end', until, 'reason', reason),
            moments, old_values, units, NULL);
    END IF;
END;
$$;

-- Replace the values of the points at the given times, at most 1,000. Times without a point are ignored;
-- the caller compares the number of points.
CREATE FUNCTION telemetry_points_replace(
    robot uuid, metric text, moments timestamptz[], new_values double precision[], reason text,
    OUT removed jsonb, OUT work_items bigint[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '10s' AS $$
DECLARE
    organization uuid := telemetry_correction_lock(robot, reason);
    least_time timestamptz := (SELECT min(t) FROM unnest(moments) AS t);
    greatest_time timestamptz := (SELECT max(t) FROM unnest(moments) AS t);
    found_times timestamptz[];
    old_values double precision[];
    units text[];
    stored_values double precision[];
BEGIN
    removed := '{"points": 0}';
    work_items := '{}';
    IF cardinality(moments) > 1000 OR cardinality(moments) <> cardinality(new_values) THEN
        RAISE EXCEPTION 'A correction replaces at most 1000 points, each by one value.'
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
    EXECUTE format('WITH given AS ('
        '    SELECT DISTINCT ON (moment) moment, value FROM unnest($1, $2) AS g (moment, value)'
        '    WHERE value > ''-Infinity'' AND value < ''Infinity'' ORDER BY moment'
        '), old AS ('
        '    SELECT t.time, t.value, t.unit, g.value AS new_value'
        '    FROM robot_telemetry t JOIN given g ON g.moment = t.time'
        '    WHERE t.robot_id = %1$L AND t.metric_name = %2$L AND t.time >= %3$L AND t.time <= %4$L'
        '), changed AS ('
        '    UPDATE robot_telemetry t SET value = old.new_value FROM old'
        '    WHERE t.robot_id = %1$L AND t.metric_name = %2$L AND t.time >= %3$L AND t.time <= %4$L'
        '      AND t.time = old.time'
        '    RETURNING t.time'
        ') SELECT array_agg(time ORDER BY time), array_agg(value ORDER BY time),'
        ' array_agg(unit ORDER BY time), array_agg(new_value ORDER BY time)'
        ' FROM old JOIN changed USING (time)',
        robot, metric, least_time, greatest_time)
        INTO found_times, old_values, units, stored_values USING moments, new_values;
    IF found_times IS NOT NULL THEN
        SELECT * INTO removed, work_items FROM telemetry_correction_record(
            'telemetry.points.replace', organization, robot, metric,
            jsonb_build_object('start', least_time, 'end', greatest_time, 'reason', reason),
            found_times, old_values, units, stored_values);
    END IF;
END;
$$;

REVOKE ALL ON FUNCTION telemetry_correction_lock(uuid, text),
    telemetry_correction_record(text, uuid, uuid, text, jsonb, timestamptz[], double precision[], text[],
        double precision[]),
    telemetry_points_delete(uuid, text, timestamptz, timestamptz, text),
    telemetry_points_replace(uuid, text, timestamptz[], double precision[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry_points_delete(uuid, text, timestamptz, timestamptz, text),
    telemetry_points_replace(uuid, text, timestamptz[], double precision[], text) TO urfmp_app;
