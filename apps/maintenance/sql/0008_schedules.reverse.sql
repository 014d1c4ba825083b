DROP TRIGGER update_maintenance_schedules_updated_at ON maintenance_schedules;
ALTER TABLE maintenance_tasks DROP CONSTRAINT fk_maintenance_schedule;
ALTER TABLE maintenance_schedule_states
    DROP CONSTRAINT fk_schedule_states_robot,
    DROP CONSTRAINT fk_schedule_states_schedule,
    DROP CONSTRAINT fk_schedule_states_organization;
ALTER TABLE maintenance_schedules
    DROP CONSTRAINT fk_schedules_created,
    DROP CONSTRAINT fk_schedules_assigned,
    DROP CONSTRAINT fk_schedules_robot,
    DROP CONSTRAINT fk_schedules_organization;
