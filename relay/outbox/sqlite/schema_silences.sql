-- Version 8: silences, what they hold back, acknowledgements, escalation.

ALTER TABLE alerts ADD COLUMN hushed TEXT NOT NULL DEFAULT '';         -- by which silence or inhibition; '' by none
ALTER TABLE alerts ADD COLUMN acked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN acked_until REAL NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN step INTEGER NOT NULL DEFAULT 0 CHECK (step >= 0); -- of escalation, taken
ALTER TABLE alerts ADD COLUMN stepped_at REAL NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN equal_values TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(equal_values));

CREATE TABLE silences (
    id          INTEGER PRIMARY KEY CHECK (id > 0),
    matchers    TEXT NOT NULL CHECK (json_valid(matchers)),
    author      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    created_at  REAL NOT NULL,
    ends_at     REAL NOT NULL,
    until_quiet REAL NOT NULL CHECK (until_quiet >= 0), -- seconds; 0: it isn't looked at
    quiet_since REAL NOT NULL,
    reminded    INTEGER NOT NULL CHECK (reminded IN (0, 1)),
    ended_at    REAL NOT NULL,                          -- 0: in force
    ended_by    TEXT NOT NULL CHECK (ended_by = '' OR ended_at > 0)
) STRICT;

CREATE TABLE withheld ( -- what a silence or inhibition held back from a recipient, until that is told
    hush      TEXT NOT NULL,
    recipient TEXT NOT NULL,
    account   TEXT NOT NULL CHECK (json_valid(account)),
    PRIMARY KEY (hush, recipient)
) STRICT, WITHOUT ROWID;
