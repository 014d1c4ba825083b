ALTER TABLE maintenance_labour_entries
    DROP CONSTRAINT fk_labour_user,
    DROP CONSTRAINT fk_labour_task,
    DROP CONSTRAINT fk_labour_organization;
