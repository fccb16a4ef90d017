-- Where each timeline stands. Whoever appends to a timeline holds its row until the commit, so positions have no gaps.
CREATE TABLE timelines (
    timeline text COLLATE "C" PRIMARY KEY,  -- an app's identifier, or a user's (us-…)
    length bigint NOT NULL,                 -- the position of its last event; zero where there is but a state
    last_time timestamptz NOT NULL,         -- when its last event was
    clock bigint NOT NULL,                  -- greater with every commit, across all timelines that a commit touches
    clock_before bigint NOT NULL            -- the clock that the last commit expected, by which it noticed any other one
) WITH (fillfactor = 50);

-- One row per event and timeline: an event is in its app's timeline, and in that of the user who did it.
CREATE TABLE entries (
    timeline text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    created_at timestamptz NOT NULL,
    is_home boolean NOT NULL,               -- false in a user's timeline where the event is in an app's too
    event text NOT NULL,                    -- JSON: the bytes as they are served
    PRIMARY KEY (timeline, position)
);

-- Everything else: states, names, tokens, answers. Keys are those of the embedded store.
CREATE TABLE rows (
    place text COLLATE "C" NOT NULL,        -- the timeline it belongs to, or what else it stands with
    key bytea NOT NULL,                     -- its first byte is the kind
    value json,
    position bigint,                        -- of an app's state: how many events of its timeline are in it
    version bigint NOT NULL,                -- another one with every commit that writes the row
    version_before bigint,                  -- the version that commit expected, if it did
    claimed_until timestamptz,              -- until when somebody works on it
    PRIMARY KEY (place, key)
) WITH (fillfactor = 70);

-- Where the events are whose identifiers were given with a report. The others are found by the time in them.
CREATE TABLE given_ids (
    id text COLLATE "C" PRIMARY KEY,
    timeline text COLLATE "C" NOT NULL,
    position bigint NOT NULL
);

-- One row per commit with events, which the feed numbers when somebody reads it.
CREATE TABLE commits (
    timeline text COLLATE "C" NOT NULL,     -- of its first event
    position bigint NOT NULL,
    clock bigint NOT NULL,
    number bigint,                          -- its place in the feed, once it has one
    timelines text[] NOT NULL,              -- the stretches of events it recorded
    firsts bigint[] NOT NULL,
    lasts bigint[] NOT NULL,
    PRIMARY KEY (timeline, position)
);
-- Of a large commit they are long, and hardly get shorter by compression.
ALTER TABLE commits ALTER timelines SET STORAGE EXTERNAL, ALTER firsts SET STORAGE EXTERNAL,
    ALTER lasts SET STORAGE EXTERNAL;
CREATE INDEX commits_to_number ON commits (clock, timeline, position) WHERE number IS NULL;
CREATE INDEX commits_by_number ON commits (number) WHERE number IS NOT NULL;

-- The number of the feed's last entry. Who numbers commits holds it.
CREATE TABLE feed (last_number bigint NOT NULL);
INSERT INTO feed VALUES (0);
