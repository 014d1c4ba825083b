-- A command without an expiry time gets the default, so that every command expires. What a command
-- says cannot change once it is stored, and its status changes only as the life cycle allows.
CREATE OR REPLACE FUNCTION guard_robot_command() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    start_time timestamptz;
BEGIN
    IF TG_OP = 'INSERT' THEN
        start_time := greatest(
            coalesce(NEW.created_at, now()), NEW.scheduled_at, NEW.approval_due_at);
        NEW.expires_at := coalesce(NEW.expires_at, start_time + CASE
            WHEN is_motion_type(NEW.type) THEN INTERVAL '30 seconds' ELSE INTERVAL '10 minutes' END);
        -- Services count from the statement, which is later than the start of the transaction.
        IF NEW.expires_at > greatest(start_time, clock_timestamp())
                + command_max_lifetime(NEW.type) THEN
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
