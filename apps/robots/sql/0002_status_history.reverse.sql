DROP VIEW robot_status_current;
DROP TRIGGER robot_status_change_trigger ON robots;
DROP FUNCTION log_robot_status_change();
DROP FUNCTION forget_first_status(uuid[]);
DROP TABLE robot_status_history;
