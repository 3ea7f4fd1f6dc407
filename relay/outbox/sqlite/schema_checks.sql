-- Version 5: what the watchdog must know of a check after a restart.

CREATE TABLE checks (
    name   TEXT PRIMARY KEY,
    record TEXT NOT NULL CHECK (json_valid(record)) -- models.CheckRecord
) STRICT, WITHOUT ROWID;
