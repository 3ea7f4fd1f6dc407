"""What must keep happening: checks, and what is done when one fails.

`standing` and `remedy` decide and are pure; `probes/` look; `command`, `units` and `evidence` act; `service`
runs them and turns what changed into events like any other. It replaces a cron script.
"""
