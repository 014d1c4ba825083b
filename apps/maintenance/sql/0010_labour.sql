-- References include the organization, so that not even raw SQL can name a task of another one. The
-- times of work belong to their task and go with it.
ALTER TABLE maintenance_labour_entries
    ADD CONSTRAINT fk_labour_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_labour_task
        FOREIGN KEY (organization_id, task_id) REFERENCES maintenance_tasks (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_labour_user FOREIGN KEY (user_id) REFERENCES users (id);

-- Durations that exist stay as they are. Work in progress counts from its start.
ALTER TABLE maintenance_tasks DISABLE TRIGGER USER;
UPDATE maintenance_tasks SET has_manual_duration = true WHERE actual_duration IS NOT NULL;
ALTER TABLE maintenance_tasks ENABLE TRIGGER USER;
INSERT INTO maintenance_labour_entries (organization_id, task_id, user_id, started_at)
SELECT organization_id, id, assigned_to, started_at
FROM maintenance_tasks WHERE status = 'in_progress' AND started_at IS NOT NULL;
