-- Version 4: who has been told of other events of an alert than the rest, as they were outside of their hours.

ALTER TABLE alerts ADD COLUMN standings TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(standings));
