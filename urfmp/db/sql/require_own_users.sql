CREATE TRIGGER require_own_users_trigger
    AFTER INSERT OR UPDATE OF organization_id, $columns ON $table
    FOR EACH ROW EXECUTE FUNCTION require_own_users($arguments);
