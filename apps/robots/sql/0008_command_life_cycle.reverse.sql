CREATE TRIGGER require_own_users_trigger
    AFTER INSERT OR UPDATE OF organization_id, user_id ON robot_commands
    FOR EACH ROW EXECUTE FUNCTION require_own_users('user_id');
DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('robots.robot', 'organization_id',
                  '{last_seen,presence_lost_at,reported_at,reported_status,status,version}',
                  '{connection_config}');
DROP TRIGGER audit_row_trigger ON robot_commands;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robot_commands
    FOR EACH ROW EXECUTE FUNCTION audit_row('robots.command', 'organization_id', '{}', '{}');
DROP TRIGGER guard_robot_command_trigger ON robot_commands;
DROP FUNCTION guard_robot_command();
DROP FUNCTION command_max_lifetime(text);
DROP FUNCTION is_motion_type(text);
DROP FUNCTION is_command_transition(text, text);
ALTER TABLE robots DROP CONSTRAINT fk_robots_lease_user;
ALTER TABLE robot_commands
    DROP CONSTRAINT fk_commands_api_key,
    DROP CONSTRAINT fk_commands_approved_by,
    DROP CONSTRAINT fk_commands_cancelled_by,
    DROP CONSTRAINT fk_commands_settled_by;
