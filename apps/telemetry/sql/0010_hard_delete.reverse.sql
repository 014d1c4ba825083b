DROP TRIGGER robots_delete_in_turn_trigger ON robots;
DROP FUNCTION robots_delete_in_turn();
