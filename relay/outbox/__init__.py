"""The outbox: what must not be lost."""
