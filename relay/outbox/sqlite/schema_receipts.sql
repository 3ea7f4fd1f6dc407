-- Version 2: services that report later on a message name it by the id they gave it.

ALTER TABLE deliveries ADD COLUMN receipt TEXT NOT NULL DEFAULT ''; -- '' if it has none, or was told of
CREATE INDEX deliveries_by_receipt ON deliveries (backend, receipt) WHERE receipt <> '';
