-- Where each timeline stands. Whoever appends to a timeline holds its row until the commit, so positions have no gaps.
CREATE TABLE timelines (
    timeline text COLLATE "C" PRIMARY KEY,  -- an app's identifier, or a user's (us-…)
    length bigint NOT NULL,                 -- the position of its last event; zero where there is but a state
    last_time timestamptz NOT NULL,         -- when its last event was
    clock bigint NOT NULL,                  -- a hybrid logical clock, the same of all timelines that a commit touches
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
    distribution_key text COLLATE "C" NOT NULL, -- the timeline it belongs to, or what else it stands with
    key bytea NOT NULL,                     -- its first byte is the kind
    value json,
    position bigint,                        -- of an app's state: how many events of its timeline are in it
    version bigint NOT NULL,                -- another one with every commit that writes the row
    version_before bigint,                  -- the version that commit expected, if it did
    claimed_until timestamptz,              -- until when somebody works on it
    PRIMARY KEY (distribution_key, key)
) WITH (fillfactor = 70);

-- Where the events are whose identifiers were given with a report. The others are found by the time in them.
CREATE TABLE external_ids (
    id text COLLATE "C" PRIMARY KEY,
    timeline text COLLATE "C" NOT NULL,
    position bigint NOT NULL
);

-- One row per commit with events, which gets its place on the platform timeline when somebody reads that.
CREATE TABLE commits (
    timeline text COLLATE "C" NOT NULL,     -- of its first event
    position bigint NOT NULL,
    clock bigint NOT NULL,
    recorded_at timestamptz NOT NULL,       -- by the clock of the process that recorded it
    events bigint NOT NULL,                 -- how many
    first bigint,                           -- the platform position of its first event, once it has one
    entry bytea NOT NULL,                   -- which events, as the embedded store keeps it
    PRIMARY KEY (timeline, position)
);
-- Of a large commit it is long, and hardly gets shorter by compression.
ALTER TABLE commits ALTER entry SET STORAGE EXTERNAL;
CREATE INDEX commits_to_number ON commits (clock, timeline, position) WHERE first IS NULL;
CREATE INDEX commits_by_number ON commits (first) WHERE first IS NOT NULL;

-- The last position of the platform timeline that is given.
CREATE TABLE platform (length bigint NOT NULL);
INSERT INTO platform VALUES (0);
