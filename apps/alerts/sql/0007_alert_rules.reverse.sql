DROP FUNCTION alert_rule_organizations();
DROP TRIGGER audit_row_trigger ON alerts;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON alerts
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('alerts.alert', 'organization_id', '{occurrences,last_seen_at}', '{}');
DROP POLICY tenant ON alert_rule_states;
ALTER TABLE alert_rule_states DISABLE ROW LEVEL SECURITY;
DROP TRIGGER update_alert_rule_states_updated_at ON alert_rule_states;
DROP TRIGGER update_alert_rules_updated_at ON alert_rules;
ALTER TABLE alerts DROP CONSTRAINT fk_alerts_rule;
ALTER TABLE alert_rule_states
    DROP CONSTRAINT fk_alert_rule_states_organization_robot,
    DROP CONSTRAINT fk_alert_rule_states_rule,
    DROP CONSTRAINT fk_alert_rule_states_organization;
ALTER TABLE alert_rules
    DROP CONSTRAINT fk_alert_rules_organization_facility,
    DROP CONSTRAINT fk_alert_rules_organization_robot,
    DROP CONSTRAINT fk_alert_rules_organization;
