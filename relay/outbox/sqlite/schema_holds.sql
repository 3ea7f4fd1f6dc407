-- Version 5: groups, storms, flapping alerts and budgets hold messages back; what they hold outlives a restart.

CREATE TABLE holds (
    key   TEXT PRIMARY KEY,
    kind  TEXT NOT NULL CHECK (kind IN ('flap', 'group', 'storm', 'budget')),
    state TEXT NOT NULL CHECK (json_valid(state))
) STRICT, WITHOUT ROWID;
ALTER TABLE alerts ADD COLUMN group_key TEXT NOT NULL DEFAULT ''; -- '' if it is told by itself
ALTER TABLE deliveries ADD COLUMN thread TEXT NOT NULL DEFAULT ''; -- of a group or storm: its key
CREATE INDEX deliveries_of_thread ON deliveries (thread) WHERE thread <> '';
