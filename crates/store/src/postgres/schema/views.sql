-- For those who ask in SQL.
CREATE VIEW events AS SELECT timeline, position, created_at, latest IS NOT NULL AS is_late, is_home, event::json AS event
    FROM entries;
-- The state of an app is as of that position: where much is written, up to 15 events behind.
CREATE VIEW apps AS
    SELECT distribution_key AS id, value->>'name' AS name, value->'owner'->>'username' AS owner, position, value AS state
    FROM rows WHERE get_byte(key, 0) = ascii('A');
CREATE VIEW accounts AS
    SELECT distribution_key AS id, value->>'username' AS username, value->>'email' AS email, value AS state
    FROM rows WHERE get_byte(key, 0) = ascii('U');
