DROP TRIGGER audit_comment_trigger ON alert_events;
DROP TRIGGER audit_row_trigger ON alert_events;
DROP POLICY tenant ON alert_events;
ALTER TABLE alert_events DISABLE ROW LEVEL SECURITY;
DROP TRIGGER require_own_users_trigger ON alerts;
CREATE TRIGGER require_own_users_trigger
    AFTER INSERT OR UPDATE OF organization_id, acknowledged_by ON alerts
    FOR EACH ROW EXECUTE FUNCTION require_own_users('acknowledged_by');
ALTER TABLE alerts DROP CONSTRAINT fk_alerts_assigned;
ALTER TABLE alert_events
    DROP CONSTRAINT fk_alert_events_assigned,
    DROP CONSTRAINT fk_alert_events_user,
    DROP CONSTRAINT fk_alert_events_alert,
    DROP CONSTRAINT fk_alert_events_organization;
