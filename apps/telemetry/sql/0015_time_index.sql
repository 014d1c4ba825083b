-- Drop the index on time alone, which create_hypertable() had added to the table and to every chunk. No
-- query reads points by time without their robot, or it reads whole chunks; retention finds chunks by
-- their limits.
--
-- The rows are not touched, but the statement locks the table and all chunks for a moment. Waiting for
-- that lock behind a long read would stop ingest for as long. So an attempt waits for two seconds only,
-- in which autovacuum gives way, and lets the queue pass before the next one.
DO $drop$
BEGIN
    FOR attempt IN 1..60 LOOP
        BEGIN
            SET LOCAL lock_timeout = '2s';
            DROP INDEX IF EXISTS robot_telemetry_time_idx;
            SET LOCAL lock_timeout = DEFAULT;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(1);
        END;
    END LOOP;
    RAISE EXCEPTION 'Other transactions have locked robot_telemetry for three minutes.'
        USING HINT = 'Wait for running exports, or end them. Then run migrate again.';
END;
$drop$;
