DROP TRIGGER require_own_robot_trigger ON robot_status_history;
DROP FUNCTION require_own_robot();
