DROP TRIGGER audit_row_trigger ON alerts;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON alerts
    FOR EACH ROW EXECUTE FUNCTION audit_row('alerts.alert', 'organization_id', '{}', '{}');
DROP TRIGGER fill_alert_key_trigger ON alerts;
DROP FUNCTION fill_alert_key();
DROP FUNCTION alert_key(text, text, text);
