DROP FUNCTION rate_limit_give_back(text[]);
