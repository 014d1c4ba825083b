-- References include the organization, so that not even raw SQL can name rows of another one. A
-- purged robot takes its schedules along; a deleted schedule leaves its tasks.
ALTER TABLE maintenance_schedules
    ADD CONSTRAINT fk_schedules_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_schedules_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_schedules_assigned FOREIGN KEY (assigned_to) REFERENCES users (id),
    ADD CONSTRAINT fk_schedules_created FOREIGN KEY (created_by) REFERENCES users (id);

ALTER TABLE maintenance_schedule_states
    ADD CONSTRAINT fk_schedule_states_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_schedule_states_schedule
        FOREIGN KEY (organization_id, schedule_id)
        REFERENCES maintenance_schedules (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_schedule_states_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE;

ALTER TABLE maintenance_tasks
    ADD CONSTRAINT fk_maintenance_schedule
        FOREIGN KEY (organization_id, schedule_id)
        REFERENCES maintenance_schedules (organization_id, id) ON DELETE SET NULL (schedule_id);

CREATE TRIGGER update_maintenance_schedules_updated_at
    BEFORE UPDATE ON maintenance_schedules
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
