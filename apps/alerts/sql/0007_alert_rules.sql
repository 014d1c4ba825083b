-- References include the organization, so that not even raw SQL can name a row of another one. A
-- facility that is renamed keeps its rules.
ALTER TABLE alert_rules
    ADD CONSTRAINT fk_alert_rules_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_alert_rules_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_alert_rules_organization_facility
        FOREIGN KEY (organization_id, facility) REFERENCES facilities (organization_id, name)
        ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE alert_rule_states
    ADD CONSTRAINT fk_alert_rule_states_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_alert_rule_states_rule
        FOREIGN KEY (organization_id, rule_id) REFERENCES alert_rules (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_alert_rule_states_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE;

ALTER TABLE alerts
    ADD CONSTRAINT fk_alerts_rule
        FOREIGN KEY (organization_id, rule_id) REFERENCES alert_rules (organization_id, id)
        ON DELETE SET NULL (rule_id);

CREATE TRIGGER update_alert_rules_updated_at
    BEFORE UPDATE ON alert_rules
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_alert_rule_states_updated_at
    BEFORE UPDATE ON alert_rule_states
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- A policy without the audit trigger: these rows change constantly.
ALTER TABLE alert_rule_states ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON alert_rule_states
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
ALTER TABLE alert_rule_states SET (
    fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1);

-- The worst value moves with every sample of an open alert.
DROP TRIGGER audit_row_trigger ON alerts;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON alerts
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('alerts.alert', 'organization_id', '{occurrences,last_seen_at,peak}', '{}');

-- Workers evaluate the organizations that have rules, each in a transaction of its own.
CREATE FUNCTION alert_rule_organizations() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT organization_id FROM alert_rules WHERE is_enabled;
$$;
REVOKE ALL ON FUNCTION alert_rule_organizations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION alert_rule_organizations() TO urfmp_app;
