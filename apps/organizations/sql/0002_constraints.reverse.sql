DROP TRIGGER update_facilities_updated_at ON facilities;
ALTER TABLE facilities DROP CONSTRAINT fk_facilities_organization;
DROP TRIGGER update_organizations_updated_at ON organizations;
DROP FUNCTION update_updated_at_column();
