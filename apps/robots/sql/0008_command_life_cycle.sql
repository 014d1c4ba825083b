ALTER TABLE robot_commands
    ADD CONSTRAINT fk_commands_api_key
        FOREIGN KEY (organization_id, api_key_id) REFERENCES api_keys (organization_id, id),
    ADD CONSTRAINT fk_commands_approved_by FOREIGN KEY (approved_by) REFERENCES users (id),
    ADD CONSTRAINT fk_commands_cancelled_by FOREIGN KEY (cancelled_by) REFERENCES users (id),
    ADD CONSTRAINT fk_commands_settled_by FOREIGN KEY (settled_by) REFERENCES users (id);
ALTER TABLE robots
    ADD CONSTRAINT fk_robots_lease_user FOREIGN KEY (lease_user_id) REFERENCES users (id);

-- The life cycle of commands; `COMMAND_TRANSITIONS` in apps/robots/choices.py is the same table.
CREATE FUNCTION is_command_transition(before text, after text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT after = ANY (CASE coalesce(before, 'pending')
        WHEN 'pending_approval' THEN ARRAY['pending', 'rejected', 'cancelled', 'timeout']
        WHEN 'pending' THEN ARRAY['sent', 'rejected', 'cancelled', 'timeout']
        WHEN 'sent' THEN
            ARRAY['acknowledged', 'executing', 'completed', 'failed', 'rejected', 'unknown']
        WHEN 'acknowledged' THEN ARRAY['executing', 'completed', 'failed', 'rejected', 'unknown']
        WHEN 'executing' THEN ARRAY['completed', 'failed', 'unknown']
        WHEN 'unknown' THEN ARRAY['completed', 'failed']
        ELSE ARRAY[]::text[]
    END)
$$;

-- `MOTION_TYPES` in apps/robots/choices.py has the same types.
CREATE FUNCTION is_motion_type(type text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT type IN ('start', 'resume', 'move_to_position', 'run_program', 'calibrate', 'set_speed')
$$;

-- The maximum time from creation, approval or the scheduled time until a command expires.
CREATE FUNCTION command_max_lifetime(type text) RETURNS interval
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN is_motion_type(type) THEN INTERVAL '5 minutes' ELSE INTERVAL '24 hours' END
$$;

-- A command without an expiry time gets the default, so that every command expires. What a command
-- says cannot change once it is stored, and its status changes only as the life cycle allows.
CREATE FUNCTION guard_robot_command() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    start_time timestamptz;
BEGIN
    IF TG_OP = 'INSERT' THEN
        start_time := greatest(
            coalesce(NEW.created_at, now()), NEW.scheduled_at, NEW.approval_due_at);
        NEW.expires_at := coalesce(NEW.expires_at, start_time + CASE
            WHEN is_motion_type(NEW.type) THEN INTERVAL '30 seconds' ELSE INTERVAL '10 minutes' END);
        IF NEW.expires_at > start_time + command_max_lifetime(NEW.type) THEN
            RAISE EXCEPTION 'A command of type % expires after at most %.',
                    NEW.type, command_max_lifetime(NEW.type)
                USING ERRCODE = 'check_violation', CONSTRAINT = 'robot_commands_lifetime';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.organization_id, NEW.robot_id, NEW.user_id, NEW.api_key_id, NEW.type,
           NEW.payload, NEW.priority, NEW.scheduled_at, NEW.expires_at, NEW.created_at)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.organization_id, OLD.robot_id, OLD.user_id, OLD.api_key_id, OLD.type,
           OLD.payload, OLD.priority, OLD.scheduled_at, OLD.expires_at, OLD.created_at) THEN
        RAISE EXCEPTION 'A stored command cannot be changed. Create another one.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'robot_commands_immutable';
    END IF;
    IF NEW.status IS DISTINCT FROM OLD.status THEN
        IF is_command_transition(OLD.status, NEW.status) IS NOT TRUE THEN
            RAISE EXCEPTION 'A command cannot change from % to %.', OLD.status, NEW.status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'robot_commands_transition';
        END IF;
    ELSIF OLD.status IN ('completed', 'failed', 'cancelled', 'rejected', 'timeout')
        AND to_jsonb(NEW) - '{lane,latch_due_at,version}'::text[]
            <> to_jsonb(OLD) - '{lane,latch_due_at,version}'::text[] THEN
        RAISE EXCEPTION 'A command that is % cannot be changed.', OLD.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'robot_commands_transition';
    END IF;
    RETURN NEW;
END;
$$;

-- Its name sorts after the trigger that fills the organization.
CREATE TRIGGER guard_robot_command_trigger
    BEFORE INSERT OR UPDATE ON robot_commands
    FOR EACH ROW EXECUTE FUNCTION guard_robot_command();

-- Robots report progress constantly. Changes of the status are audited.
DROP TRIGGER audit_row_trigger ON robot_commands;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robot_commands
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('robots.command', 'organization_id',
                  '{progress,progress_text,answer_due_at,version}', '{}');

-- Every motion command extends the lease; its user is audited.
DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('robots.robot', 'organization_id',
                  '{last_seen,lease_expires_at,presence_lost_at,reported_at,reported_status,status,version}',
                  '{connection_config}');

DROP TRIGGER require_own_users_trigger ON robot_commands;
