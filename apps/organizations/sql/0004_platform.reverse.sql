DROP VIEW platform_organizations;
DROP FUNCTION platform_organizations();
