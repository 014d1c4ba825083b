-- References include the organization, so that not even raw SQL can name a task of another one. The
-- timeline belongs to its task and goes with it.
ALTER TABLE maintenance_task_events
    ADD CONSTRAINT fk_task_events_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_task_events_task
        FOREIGN KEY (organization_id, task_id) REFERENCES maintenance_tasks (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_task_events_user FOREIGN KEY (user_id) REFERENCES users (id);

ALTER TABLE maintenance_tasks
    ADD CONSTRAINT fk_maintenance_finished_by FOREIGN KEY (finished_by) REFERENCES users (id),
    ADD CONSTRAINT fk_maintenance_approved_by FOREIGN KEY (approved_by) REFERENCES users (id);
DROP TRIGGER require_own_users_trigger ON maintenance_tasks;
CREATE TRIGGER require_own_users_trigger
    AFTER INSERT OR UPDATE OF organization_id, assigned_to, created_by, finished_by, approved_by
    ON maintenance_tasks
    FOR EACH ROW EXECUTE FUNCTION
        require_own_users('assigned_to', 'created_by', 'finished_by', 'approved_by');

-- The life of a task; `TRANSITIONS` in apps/maintenance/choices.py is the same table.
CREATE FUNCTION is_task_transition(before text, after text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(after, 'scheduled') = ANY (CASE coalesce(before, 'scheduled')
        WHEN 'scheduled' THEN ARRAY['in_progress', 'cancelled', 'overdue']
        WHEN 'pending' THEN ARRAY['in_progress', 'cancelled', 'overdue']
        WHEN 'overdue' THEN ARRAY['in_progress', 'cancelled', 'scheduled']
        WHEN 'in_progress' THEN ARRAY['on_hold', 'completed', 'requires_approval', 'cancelled']
        WHEN 'on_hold' THEN ARRAY['in_progress', 'cancelled']
        WHEN 'requires_approval' THEN ARRAY['completed', 'pending', 'cancelled']
        WHEN 'completed' THEN ARRAY['pending']
        ELSE ARRAY[]::text[]
    END)
$$;

CREATE FUNCTION guard_maintenance_task() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF coalesce(NEW.status, 'scheduled') <> coalesce(OLD.status, 'scheduled')
        AND is_task_transition(OLD.status, NEW.status) IS NOT TRUE THEN
        RAISE EXCEPTION 'A task cannot change from % to %.', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'maintenance_tasks_transition';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER guard_maintenance_task_trigger
    BEFORE UPDATE OF status ON maintenance_tasks
    FOR EACH ROW EXECUTE FUNCTION guard_maintenance_task();

ALTER TABLE maintenance_task_events ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON maintenance_task_events
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);

-- Events are a record themselves, of changes that the task's audit rows also have. Comments change
-- no task, and nothing may change later.
CREATE TRIGGER audit_row_trigger
    AFTER UPDATE OR DELETE ON maintenance_task_events
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('maintenance.maintenance_task_event', 'organization_id', '{}', '{}');
CREATE TRIGGER audit_comment_trigger
    AFTER INSERT ON maintenance_task_events
    FOR EACH ROW WHEN (NEW.kind = 'commented') EXECUTE FUNCTION
        audit_row('maintenance.maintenance_task_event', 'organization_id', '{}', '{}');

-- Tasks that exist: the times of their timeline that are known.
INSERT INTO maintenance_task_events (organization_id, task_id, kind, created_at)
SELECT organization_id, id, 'started', started_at
FROM maintenance_tasks WHERE started_at IS NOT NULL;
INSERT INTO maintenance_task_events (organization_id, task_id, kind, created_at)
SELECT organization_id, id, 'completed', completed_at
FROM maintenance_tasks WHERE completed_at IS NOT NULL AND status = 'completed';
