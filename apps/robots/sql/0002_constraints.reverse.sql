DROP TRIGGER fill_organization_id_trigger ON robot_commands;
DROP FUNCTION fill_organization_id();
DROP TRIGGER keep_facility_of_robots_trigger ON facilities;
DROP FUNCTION keep_facility_of_robots();
DROP TRIGGER update_robots_updated_at ON robots;
ALTER TABLE robot_commands
    DROP CONSTRAINT fk_commands_organization_robot,
    DROP CONSTRAINT fk_commands_organization,
    DROP CONSTRAINT fk_commands_user,
    DROP CONSTRAINT fk_commands_robot;
ALTER TABLE robots DROP CONSTRAINT fk_robots_organization;
