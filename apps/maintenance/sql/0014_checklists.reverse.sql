DROP TRIGGER update_task_templates_updated_at ON task_templates;
ALTER TABLE maintenance_schedules DROP CONSTRAINT fk_schedules_template;
ALTER TABLE maintenance_tasks DROP CONSTRAINT fk_maintenance_template;
ALTER TABLE task_files
    DROP CONSTRAINT fk_task_files_uploaded_by,
    DROP CONSTRAINT fk_task_files_step,
    DROP CONSTRAINT fk_task_files_task,
    DROP CONSTRAINT fk_task_files_organization;
ALTER TABLE task_steps
    DROP CONSTRAINT fk_task_steps_recorded_by,
    DROP CONSTRAINT fk_task_steps_follow_up,
    DROP CONSTRAINT fk_task_steps_task,
    DROP CONSTRAINT fk_task_steps_organization;
ALTER TABLE task_template_parts
    DROP CONSTRAINT fk_template_parts_part,
    DROP CONSTRAINT fk_template_parts_template,
    DROP CONSTRAINT fk_template_parts_organization;
ALTER TABLE task_template_steps
    DROP CONSTRAINT fk_template_steps_template,
    DROP CONSTRAINT fk_template_steps_organization;
ALTER TABLE task_templates
    DROP CONSTRAINT fk_task_templates_organization;
