DROP TRIGGER fill_organization_id_trigger ON maintenance_tasks;
DROP VIEW maintenance_summary;
DROP TRIGGER update_maintenance_updated_at ON maintenance_tasks;
ALTER TABLE maintenance_tasks
    DROP CONSTRAINT fk_maintenance_organization_robot,
    DROP CONSTRAINT fk_maintenance_organization,
    DROP CONSTRAINT fk_maintenance_created,
    DROP CONSTRAINT fk_maintenance_assigned,
    DROP CONSTRAINT fk_maintenance_robot;
