"""Which rule takes an event, what counts as the same problem, and who is told: pure, no I/O, no clock."""
