DROP FUNCTION to_identifier(text, integer);
DROP FUNCTION to_name(text, integer);
DROP FUNCTION to_visible_text(text, integer);
DROP FUNCTION is_identifier(text);
DROP FUNCTION is_name(text);
DROP FUNCTION is_visible_text(text);
