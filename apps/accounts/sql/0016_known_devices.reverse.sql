DROP FUNCTION account_standing(text);
