DROP FUNCTION calendar_feed_credential(text);
ALTER TABLE calendar_feeds
    DROP CONSTRAINT fk_calendar_feeds_organization,
    DROP CONSTRAINT fk_calendar_feeds_user;
