-- References include the organization, so that not even raw SQL can name rows of another one. Steps
-- and files belong to their task and go with it; a deleted template leaves its tasks.
ALTER TABLE task_templates
    ADD CONSTRAINT fk_task_templates_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id);

ALTER TABLE task_template_steps
    ADD CONSTRAINT fk_template_steps_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_template_steps_template
        FOREIGN KEY (organization_id, template_id) REFERENCES task_templates (organization_id, id)
        ON DELETE CASCADE;

ALTER TABLE task_template_parts
    ADD CONSTRAINT fk_template_parts_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_template_parts_template
        FOREIGN KEY (organization_id, template_id) REFERENCES task_templates (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_template_parts_part
        FOREIGN KEY (organization_id, part_id) REFERENCES parts (organization_id, id);

ALTER TABLE task_steps
    ADD CONSTRAINT fk_task_steps_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_task_steps_task
        FOREIGN KEY (organization_id, task_id) REFERENCES maintenance_tasks (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_task_steps_follow_up
        FOREIGN KEY (organization_id, follow_up_id)
        REFERENCES maintenance_tasks (organization_id, id) ON DELETE SET NULL (follow_up_id),
    ADD CONSTRAINT fk_task_steps_recorded_by FOREIGN KEY (recorded_by) REFERENCES users (id);

ALTER TABLE task_files
    ADD CONSTRAINT fk_task_files_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_task_files_task
        FOREIGN KEY (organization_id, task_id) REFERENCES maintenance_tasks (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_task_files_step
        FOREIGN KEY (organization_id, step_id) REFERENCES task_steps (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_task_files_uploaded_by FOREIGN KEY (uploaded_by) REFERENCES users (id);

ALTER TABLE maintenance_tasks
    ADD CONSTRAINT fk_maintenance_template
        FOREIGN KEY (organization_id, template_id) REFERENCES task_templates (organization_id, id)
        ON DELETE SET NULL (template_id);

ALTER TABLE maintenance_schedules
    ADD CONSTRAINT fk_schedules_template
        FOREIGN KEY (organization_id, template_id) REFERENCES task_templates (organization_id, id)
        ON DELETE SET NULL (template_id);

-- Pictures and documents are compressed already.
ALTER TABLE task_files ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TRIGGER update_task_templates_updated_at
    BEFORE UPDATE ON task_templates
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
