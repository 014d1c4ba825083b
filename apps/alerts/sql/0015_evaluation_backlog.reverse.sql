DROP FUNCTION rule_evaluation_backlog();
