-- fk_alerts_robot is the specified foreign key; the second one rejects a robot of another organization,
-- even in raw SQL.
ALTER TABLE alerts
    ADD CONSTRAINT fk_alerts_robot FOREIGN KEY (robot_id) REFERENCES robots (id),
    ADD CONSTRAINT fk_alerts_acknowledged FOREIGN KEY (acknowledged_by) REFERENCES users (id),
    ADD CONSTRAINT fk_alerts_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_alerts_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id);

CREATE TRIGGER fill_organization_id_trigger
    BEFORE INSERT ON alerts
    FOR EACH ROW WHEN (NEW.organization_id IS NULL) EXECUTE FUNCTION fill_organization_id();
