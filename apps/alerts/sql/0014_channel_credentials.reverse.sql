DROP TRIGGER audit_row_trigger ON notification_channels;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON notification_channels
    FOR EACH ROW EXECUTE FUNCTION audit_row(
        'alerts.channel', 'organization_id', '{}', '{signing_secret,previous_secret}');
