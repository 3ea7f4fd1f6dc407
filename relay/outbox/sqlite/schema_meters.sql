-- What rules count before they tell: one row for each rule and thing that it counts.

CREATE TABLE meters (
    rule       TEXT NOT NULL,
    key        TEXT NOT NULL,    -- what is counted together: the fingerprint of the alert to be
    state      TEXT NOT NULL CHECK (json_valid(state)),
    touched_at REAL NOT NULL,
    PRIMARY KEY (rule, key)
) STRICT, WITHOUT ROWID;
