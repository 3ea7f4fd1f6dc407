-- Version 3: a limit of days is counted anew after a restart, for one backend among busy ones.

DROP INDEX attempts_by_time;
CREATE INDEX attempts_of_backend ON attempts (backend, started_at);
