-- The end of each timeline. A commit that appends to a timeline locks its row until it ends, so positions have no gaps.
CREATE TABLE timelines (
    timeline text COLLATE "C" PRIMARY KEY,  -- an app's identifier, or a user's (us-…)
    length bigint NOT NULL,                 -- the position of its last event; zero if it has a state but no events
    latest timestamptz NOT NULL,            -- the latest time of any event
    last_late bigint NOT NULL,              -- the position of the last late event, or zero
    clock bigint NOT NULL,                  -- a hybrid logical clock, the same for all timelines that a commit writes
    clock_before bigint NOT NULL            -- the clock that the last commit expected to find; another one was a conflict
) WITH (fillfactor = 50);

-- One row per event and timeline: an event is in its app's timeline, and in that of the user who caused it.
CREATE TABLE entries (
    timeline text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    created_at timestamptz NOT NULL,        -- when it happened
    latest timestamptz,                     -- of a late event: the latest time of any event recorded before it
    is_home boolean NOT NULL,               -- false in a user's timeline where the event is in an app's too
    event text NOT NULL,                    -- JSON: the bytes as they are served
    PRIMARY KEY (timeline, position)
);

-- Everything else: states, names, tokens, stored responses. Keys and values are drawn in rows/encoding.rs.
CREATE TABLE rows (
    distribution_key text COLLATE "C" NOT NULL, -- the timeline it belongs to, or the name of the rows it is listed with
    key bytea NOT NULL,                     -- its first byte is the kind
    value json,
    position bigint,                        -- for an app's state: the position of the last event included in it
    version bigint NOT NULL,                -- changes with every commit that writes the row
    version_before bigint,                  -- the version that the commit expected to find; null if it did not read the row
    claimed_until timestamptz,              -- when the lease of its last claim expires
    PRIMARY KEY (distribution_key, key)
) WITH (fillfactor = 70);

-- Where the events are whose identifiers came with a report, and late ones. The others are found by the time in them.
CREATE TABLE external_ids (
    id text COLLATE "C" PRIMARY KEY,
    timeline text COLLATE "C" NOT NULL,
    position bigint NOT NULL
);

-- One row per commit that has events. It gets its platform position when the platform timeline is read next.
CREATE TABLE commits (
    timeline text COLLATE "C" NOT NULL,     -- the home of its first event
    position bigint NOT NULL,               -- the position of that event there
    clock bigint NOT NULL,                  -- the clock of the timelines that it wrote; orders commits
    recorded_at timestamptz NOT NULL,       -- by the clock of the process that recorded it
    events bigint NOT NULL,                 -- the number of its events
    first bigint,                           -- the platform position of its first event; null until it has one
    entry bytea NOT NULL,                   -- its events, as drawn in engine/platform.rs
    PRIMARY KEY (timeline, position)
);
-- The entry of a large commit is long and hardly compresses.
ALTER TABLE commits ALTER entry SET STORAGE EXTERNAL;
CREATE INDEX commits_to_number ON commits (clock, timeline, position) WHERE first IS NULL;
CREATE INDEX commits_by_number ON commits (first) WHERE first IS NOT NULL;

-- The last platform position that was assigned.
CREATE TABLE platform (length bigint NOT NULL);
INSERT INTO platform VALUES (0);
