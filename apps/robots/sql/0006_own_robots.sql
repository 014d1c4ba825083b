-- Row-level security is not put on hypertables: the Community edition then rejects compression, and
-- COPY is rejected too. This trigger rejects rows of another organization's robot instead. The policy
-- of `robots` decides, so a transaction without an organization can write no row.
--
-- A transaction that has already verified the robots of its rows sets `app.robots_verified` to its
-- organization; see telemetry_store(). The trigger's condition then costs a fraction of a
-- microsecond for each row. The owner's functions, such as the retention, are exempt.
CREATE FUNCTION require_own_robot() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'DELETE' AND NOT EXISTS (SELECT FROM robots WHERE id = NEW.robot_id)
       OR TG_OP <> 'INSERT' AND NOT EXISTS (SELECT FROM robots WHERE id = OLD.robot_id) THEN
        RAISE EXCEPTION 'The row of % belongs to a robot of another organization.', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER require_own_robot_trigger
    AFTER INSERT ON robot_status_history FOR EACH ROW
    WHEN (current_user = 'urfmp_app' AND (nullif(current_setting('app.robots_verified', true), '')
        = current_setting('app.organization_id', true)) IS NOT TRUE)
    EXECUTE FUNCTION require_own_robot();
