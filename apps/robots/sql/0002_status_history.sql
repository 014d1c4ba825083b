CREATE TABLE robot_status_history (
    time TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    robot_id UUID NOT NULL,
    status VARCHAR(50) NOT NULL,
    previous_status VARCHAR(50),
    reason TEXT,
    metadata JSONB,

    CONSTRAINT fk_status_history_robot
        FOREIGN KEY (robot_id) REFERENCES robots (id) ON DELETE CASCADE
);

SELECT create_hypertable('robot_status_history', 'time', chunk_time_interval => INTERVAL '30 days');

CREATE INDEX idx_status_history_robot ON robot_status_history (robot_id, time DESC);

-- The history is append-only. Retention drops whole chunks, as the tables' owner.
REVOKE UPDATE, DELETE ON robot_status_history FROM urfmp_app;

-- The time is read after the row lock, so that rows are in the order of changes; now() is the start
-- of the transaction and would not be. A new robot's first status counts as a change.
-- The service sets the reason and metadata in app.status_reason and app.status_metadata.
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

-- Deletes the row that registration wrote, so that a robot's past can be loaded right after it.
CREATE FUNCTION forget_first_status(robot_ids uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM robot_status_history AS history USING robots
    WHERE robots.id = history.robot_id AND robots.id = ANY (robot_ids)
      AND robots.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid
      AND robots.created_at = now() AND history.previous_status IS NULL;
$$;
REVOKE ALL ON FUNCTION forget_first_status(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_first_status(uuid[]) TO urfmp_app;

CREATE TRIGGER robot_status_change_trigger
    AFTER INSERT OR UPDATE ON robots
    FOR EACH ROW EXECUTE FUNCTION log_robot_status_change();

-- Hypertables have no row-level security; the policy on robots applies here as well.
CREATE VIEW robot_status_current WITH (security_invoker = true) AS
SELECT DISTINCT ON (robot_id)
    robot_id,
    status,
    time AS status_changed_at,
    reason,
    metadata
FROM robot_status_history
WHERE robot_id IN (SELECT id FROM robots)
ORDER BY robot_id, time DESC;
