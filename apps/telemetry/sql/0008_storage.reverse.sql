DROP FUNCTION storage_of_organizations(integer);
DROP FUNCTION storage_numbers(uuid, integer);
