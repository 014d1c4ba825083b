-- fk_maintenance_robot is the specified foreign key; the second one rejects a robot of another organization,
-- even in raw SQL.
ALTER TABLE maintenance_tasks
    ADD CONSTRAINT fk_maintenance_robot FOREIGN KEY (robot_id) REFERENCES robots (id),
    ADD CONSTRAINT fk_maintenance_assigned FOREIGN KEY (assigned_to) REFERENCES users (id),
    ADD CONSTRAINT fk_maintenance_created FOREIGN KEY (created_by) REFERENCES users (id),
    ADD CONSTRAINT fk_maintenance_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_maintenance_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id);

CREATE TRIGGER update_maintenance_updated_at
    BEFORE UPDATE ON maintenance_tasks
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE VIEW maintenance_summary WITH (security_invoker = true) AS
SELECT
    robot_id,
    COUNT(*) AS total_tasks,
    COUNT(*) FILTER (WHERE status = 'completed') AS completed_tasks,
    COUNT(*) FILTER (WHERE status = 'overdue') AS overdue_tasks,
    SUM(cost) AS total_cost,
    AVG(actual_duration) AS avg_duration
FROM maintenance_tasks
GROUP BY robot_id;

CREATE TRIGGER fill_organization_id_trigger
    BEFORE INSERT ON maintenance_tasks
    FOR EACH ROW WHEN (NEW.organization_id IS NULL) EXECUTE FUNCTION fill_organization_id();
