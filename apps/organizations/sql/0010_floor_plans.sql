-- A plan belongs to its facility and goes with it. The reference includes the organization, so that
-- not even raw SQL can name a facility of another one.
ALTER TABLE facilities
    ADD CONSTRAINT facilities_organization_id_key UNIQUE (organization_id, id);

ALTER TABLE floor_plans
    ADD CONSTRAINT fk_floor_plans_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_floor_plans_organization_facility
        FOREIGN KEY (organization_id, facility_id) REFERENCES facilities (organization_id, id)
        ON DELETE CASCADE;

-- Pictures are compressed already.
ALTER TABLE floor_plans ALTER COLUMN picture SET STORAGE EXTERNAL;

CREATE TRIGGER update_floor_plans_updated_at
    BEFORE UPDATE ON floor_plans
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
