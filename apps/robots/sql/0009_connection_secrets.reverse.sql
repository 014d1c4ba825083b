DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION audit_row(
        'robots.robot', 'organization_id',
        '{last_seen,lease_expires_at,presence_lost_at,reported_at,reported_status,status,version}', '{connection_config}');
ALTER TABLE robots DROP CONSTRAINT robots_connection_config_check;
DROP FUNCTION is_connection_config(jsonb);
