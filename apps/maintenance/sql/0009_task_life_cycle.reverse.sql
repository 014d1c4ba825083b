DROP TRIGGER audit_comment_trigger ON maintenance_task_events;
DROP TRIGGER audit_row_trigger ON maintenance_task_events;
DROP POLICY tenant ON maintenance_task_events;
ALTER TABLE maintenance_task_events DISABLE ROW LEVEL SECURITY;
DROP TRIGGER guard_maintenance_task_trigger ON maintenance_tasks;
DROP FUNCTION guard_maintenance_task();
DROP FUNCTION is_task_transition(text, text);
DROP TRIGGER require_own_users_trigger ON maintenance_tasks;
CREATE TRIGGER require_own_users_trigger
    AFTER INSERT OR UPDATE OF organization_id, assigned_to, created_by ON maintenance_tasks
    FOR EACH ROW EXECUTE FUNCTION require_own_users('assigned_to', 'created_by');
ALTER TABLE maintenance_tasks
    DROP CONSTRAINT fk_maintenance_approved_by,
    DROP CONSTRAINT fk_maintenance_finished_by;
ALTER TABLE maintenance_task_events
    DROP CONSTRAINT fk_task_events_user,
    DROP CONSTRAINT fk_task_events_task,
    DROP CONSTRAINT fk_task_events_organization;
