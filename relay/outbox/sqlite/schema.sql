-- The store's tables, version 1. A CHECK states what is always true of a row.
-- Times are seconds since the epoch, UTC. JSON columns hold the records of relay/models.py.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq         INTEGER PRIMARY KEY, -- order of arrival
    time        REAL NOT NULL,
    source      TEXT NOT NULL,
    module      TEXT NOT NULL,
    level       INTEGER NOT NULL,
    message     TEXT NOT NULL,
    labels      TEXT NOT NULL CHECK (json_valid(labels)),
    origin      TEXT NOT NULL,
    id          TEXT NOT NULL,       -- the writer's own; '' if it gave none
    program     TEXT NOT NULL,
    alert       INTEGER,             -- NULL: no rule wanted it. Alerts may be forgotten before their events
    reason      TEXT NOT NULL,
    received_at REAL NOT NULL
) STRICT;
CREATE INDEX events_of_alert ON events (alert) WHERE alert IS NOT NULL;

CREATE TABLE alerts (
    id             INTEGER PRIMARY KEY CHECK (id > 0),
    fingerprint    TEXT NOT NULL,
    rule           TEXT NOT NULL,
    module         TEXT NOT NULL,
    level          INTEGER NOT NULL,
    title          TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('firing', 'acked', 'resolved')),
    first_seen     REAL NOT NULL,
    last_seen      REAL NOT NULL,
    count          INTEGER NOT NULL,
    notified_count INTEGER NOT NULL CHECK (notified_count BETWEEN 0 AND count),
    notified_at    REAL NOT NULL,
    reminders      INTEGER NOT NULL CHECK (reminders >= 0),
    touched_at     REAL NOT NULL,
    hosts          TEXT NOT NULL CHECK (json_valid(hosts)),
    sample         TEXT CHECK (sample IS NULL OR json_valid(sample)),
    trace          TEXT CHECK (trace IS NULL OR json_valid(trace))
) STRICT;
CREATE UNIQUE INDEX alerts_live ON alerts (fingerprint) WHERE state <> 'resolved';
CREATE INDEX alerts_resolved ON alerts (touched_at) WHERE state = 'resolved';

CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY CHECK (id > 0),
    alert       INTEGER REFERENCES alerts (id), -- NULL: relay's own message
    recipient   TEXT NOT NULL,
    reason      TEXT NOT NULL,
    backend     TEXT NOT NULL,
    address     TEXT NOT NULL,
    fallbacks   TEXT NOT NULL CHECK (json_valid(fallbacks)),
    message     TEXT NOT NULL CHECK (json_valid(message)),
    state       TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'dead', 'cancelled')),
    created_at  REAL NOT NULL,
    next_at     REAL NOT NULL,
    expires_at  REAL NOT NULL,
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    lease_until REAL NOT NULL CHECK ((lease_until > 0) = (state = 'sending')), -- who sends has a lease
    tried       TEXT NOT NULL CHECK (json_valid(tried)),
    error       TEXT NOT NULL,
    handle      TEXT NOT NULL            -- the service's own, to update or reply to the message; '' if none
) STRICT;
CREATE INDEX deliveries_of_alert ON deliveries (alert);
-- One small index for each thing a row can be; every row is in exactly one of them.
CREATE INDEX deliveries_pending ON deliveries (backend, next_at) WHERE state = 'pending';
CREATE INDEX deliveries_sending ON deliveries (backend) WHERE state = 'sending';
CREATE INDEX deliveries_dead ON deliveries (backend) WHERE state = 'dead';
CREATE INDEX deliveries_over ON deliveries (created_at, backend, state) WHERE state IN ('delivered', 'cancelled');

CREATE TABLE attempts (
    seq        INTEGER PRIMARY KEY, -- order of recording
    delivery   INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    backend    TEXT NOT NULL,
    address    TEXT NOT NULL,
    started_at REAL NOT NULL,
    seconds    REAL NOT NULL,
    outcome    TEXT NOT NULL,
    code       TEXT NOT NULL,
    detail     TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_of_delivery ON attempts (delivery);
CREATE INDEX attempts_by_time ON attempts (started_at, backend);

CREATE TABLE positions (
    source  TEXT NOT NULL,
    dev     INTEGER NOT NULL,    -- unsigned 64-bit numbers, kept as signed ones
    inode   INTEGER NOT NULL,
    path    BLOB NOT NULL,       -- a file's name is bytes
    offset  INTEGER NOT NULL CHECK (offset >= 0),
    head    TEXT NOT NULL,
    tail    TEXT NOT NULL,
    seen_at REAL NOT NULL,
    PRIMARY KEY (source, dev, inode)
) STRICT, WITHOUT ROWID;
