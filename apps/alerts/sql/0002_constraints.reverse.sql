DROP TRIGGER fill_organization_id_trigger ON alerts;
ALTER TABLE alerts
    DROP CONSTRAINT fk_alerts_organization_robot,
    DROP CONSTRAINT fk_alerts_organization,
    DROP CONSTRAINT fk_alerts_acknowledged,
    DROP CONSTRAINT fk_alerts_robot;
