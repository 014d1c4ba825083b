DROP FUNCTION is_super_admin(uuid);
