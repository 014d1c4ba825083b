DROP TRIGGER require_own_users_trigger ON $table;
