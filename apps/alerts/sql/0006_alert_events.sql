-- An event belongs to its alert and goes with it. The reference includes the organization, so that
-- not even raw SQL can name an alert of another one.
ALTER TABLE alert_events
    ADD CONSTRAINT fk_alert_events_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_alert_events_alert
        FOREIGN KEY (organization_id, alert_id) REFERENCES alerts (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_alert_events_user FOREIGN KEY (user_id) REFERENCES users (id),
    ADD CONSTRAINT fk_alert_events_assigned FOREIGN KEY (assigned_to) REFERENCES users (id);

ALTER TABLE alerts
    ADD CONSTRAINT fk_alerts_assigned FOREIGN KEY (assigned_to) REFERENCES users (id);
DROP TRIGGER require_own_users_trigger ON alerts;
CREATE TRIGGER require_own_users_trigger
    AFTER INSERT OR UPDATE OF organization_id, acknowledged_by, assigned_to ON alerts
    FOR EACH ROW EXECUTE FUNCTION require_own_users('acknowledged_by', 'assigned_to');

ALTER TABLE alert_events ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON alert_events
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);

-- Events are a record themselves, of changes that the alert's audit rows also have. Comments change
-- no alert, and nothing but the count and time of a repeat may change later.
CREATE TRIGGER audit_row_trigger
    AFTER UPDATE OR DELETE ON alert_events
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('alerts.alert_event', 'organization_id', '{occurrences,created_at}', '{}');
CREATE TRIGGER audit_comment_trigger
    AFTER INSERT ON alert_events
    FOR EACH ROW WHEN (NEW.kind = 'commented') EXECUTE FUNCTION
        audit_row('alerts.alert_event', 'organization_id', '{}', '{}');

-- Alerts that exist: opened then, and what else is known of them.
ALTER TABLE alerts DISABLE TRIGGER audit_row_trigger;
UPDATE alerts SET started_at = coalesce(created_at, now());
ALTER TABLE alerts ENABLE TRIGGER audit_row_trigger;
INSERT INTO alert_events (organization_id, alert_id, kind, severity, created_at)
SELECT organization_id, id, 'opened', severity, coalesce(created_at, now()) FROM alerts;
INSERT INTO alert_events (organization_id, alert_id, kind, severity, user_id, created_at)
SELECT organization_id, id, 'acknowledged', severity, acknowledged_by, acknowledged_at
FROM alerts WHERE acknowledged_at IS NOT NULL;
INSERT INTO alert_events (organization_id, alert_id, kind, severity, text, created_at)
SELECT organization_id, id, 'resolved', severity, coalesce(resolution, ''), resolved_at
FROM alerts WHERE is_resolved AND resolved_at IS NOT NULL;
