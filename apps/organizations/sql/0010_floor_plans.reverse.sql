DROP TRIGGER update_floor_plans_updated_at ON floor_plans;
ALTER TABLE floor_plans
    DROP CONSTRAINT fk_floor_plans_organization_facility,
    DROP CONSTRAINT fk_floor_plans_organization;
ALTER TABLE facilities DROP CONSTRAINT facilities_organization_id_key;
