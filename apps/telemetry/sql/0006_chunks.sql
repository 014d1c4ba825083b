-- Chunks: created ahead, sized by the rate of points, compressed when old.

-- Tables whose chunks are created ahead. Creating a chunk locks `robots` against writers, for its
-- foreign key. Two transactions that have both written robots would deadlock on that lock.
CREATE FUNCTION chunk_tables() RETURNS TABLE (name text, moment text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    VALUES ('robot_telemetry', 'time'), ('robot_status_history', 'time'),
        ('telemetry_minutes', 'bucket'), ('telemetry_hours', 'bucket'), ('telemetry_days', 'bucket');
$$;

-- Create one chunk that will be needed within a day or within its table's interval, whichever is
-- longer; return the table, or NULL if there is none to create. One at a time, because the lock on
-- `robots` lasts until the end of the transaction. The lock timeout is short.
CREATE FUNCTION chunk_make_next() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '2s' AS $$
DECLARE
    part record;
    missing timestamptz;
    until timestamptz;
    robot uuid;
BEGIN
    SELECT id INTO robot FROM robots LIMIT 1;
    IF robot IS NULL THEN
        RETURN NULL;
    END IF;
    FOR part IN
        SELECT t.name, t.moment, now() + greatest(d.time_interval, interval '1 day') AS until
        FROM chunk_tables() t
        JOIN timescaledb_information.dimensions d
            ON d.hypertable_schema = 'public' AND d.hypertable_name = t.name
    LOOP
        missing := now();
        LOOP
            SELECT c.range_end INTO until FROM timescaledb_information.chunks c
            WHERE c.hypertable_schema = 'public' AND c.hypertable_name = part.name
              AND c.range_start <= missing AND c.range_end > missing;
            EXIT WHEN until IS NULL OR until > part.until;
            missing := until;
        END LOOP;
        IF until IS NULL THEN
            -- The only way to create a chunk on both editions: insert a row and delete it again.
            EXECUTE format(CASE part.moment
                WHEN 'bucket' THEN 'INSERT INTO %I (robot_id, metric_name, bucket, count, min, max,'
                    ' first, first_at, last, last_at) VALUES (%L, '''', %3$L, 0, 0, 0, 0, %3$L, 0, %3$L)'
                ELSE CASE part.name
                    WHEN 'robot_telemetry' THEN
                        'INSERT INTO %I (robot_id, metric_name, time) VALUES (%L, '''', %L)'
                    ELSE 'INSERT INTO %I (robot_id, status, time) VALUES (%L, '''', %L)'
                END END, part.name, robot, missing);
            EXECUTE format('DELETE FROM %I WHERE robot_id = %L AND %I = %L AND %I = %L',
                part.name, robot, part.moment, missing,
                CASE part.name WHEN 'robot_status_history' THEN 'status' ELSE 'metric_name' END, '');
            RETURN part.name;
        END IF;
    END LOOP;
    RETURN NULL;
END;
$$;

-- The measurements that determine the chunk length of telemetry: the current length, index bytes per
-- second of the busiest chunk of the last week, and the memory that the server assumes for caching.
CREATE FUNCTION chunk_measure()
RETURNS TABLE (current_interval interval, index_bytes_a_second double precision, memory_bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT
        (SELECT d.time_interval FROM timescaledb_information.dimensions d
         WHERE d.hypertable_schema = 'public' AND d.hypertable_name = 'robot_telemetry'),
        (SELECT max(pg_indexes_size(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass)
                / extract(epoch FROM least(c.range_end, now()) - c.range_start))
         FROM timescaledb_information.chunks c
         WHERE c.hypertable_schema = 'public' AND c.hypertable_name = 'robot_telemetry'
           AND c.range_end > now() - interval '7 days'
           AND c.range_start < now() - interval '1 hour'),
        pg_size_bytes(current_setting('effective_cache_size'));
$$;

-- Set the length of new chunks of telemetry; audited.
CREATE FUNCTION chunk_interval_set(length interval, reason jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '2s' AS $$
BEGIN
    IF length IS NULL OR length NOT BETWEEN interval '1 hour' AND interval '7 days' THEN
        RAISE EXCEPTION 'A chunk of telemetry is 1 hour to 7 days long.';
    END IF;
    PERFORM audit_record('telemetry.chunk_interval.set', 'robot_telemetry', NULL, true, NULL,
        reason || jsonb_build_object('interval_seconds', extract(epoch FROM length)::integer));
    PERFORM set_chunk_time_interval('public.robot_telemetry'::regclass, length);
END;
$$;

-- Compress chunks that ended 30 days ago, if the edition supports it. Later points are still stored,
-- but more slowly: the affected parts of their chunk are decompressed.
CREATE FUNCTION compression_apply() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '2s' AS $$
BEGIN
    IF timescaledb_edition() <> 'timescale' THEN
        RETURN 'none';
    END IF;
    IF NOT EXISTS (
        SELECT FROM timescaledb_information.hypertables h
        WHERE h.hypertable_schema = 'public' AND h.hypertable_name = 'robot_telemetry'
          AND h.compression_enabled)
    THEN
        ALTER TABLE public.robot_telemetry SET (
            timescaledb.compress,
            timescaledb.compress_segmentby = 'robot_id, metric_name',
            timescaledb.compress_orderby = 'time DESC');
        -- Late points and retention may decompress any number of rows.
        EXECUTE format('ALTER DATABASE %I SET'
            ' timescaledb.max_tuples_decompressed_per_dml_transaction = 0', current_database());
    END IF;
    PERFORM add_compression_policy(
        'public.robot_telemetry'::regclass, interval '30 days', if_not_exists => true);
    RETURN 'policy';
END;
$$;

REVOKE ALL ON FUNCTION chunk_make_next(), chunk_measure(), chunk_interval_set(interval, jsonb),
    compression_apply() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chunk_make_next(), chunk_measure(), chunk_interval_set(interval, jsonb),
    compression_apply() TO urfmp_app;
