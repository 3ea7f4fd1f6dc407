"""Finding the few lines that some rule could want, a block of bytes at a time.

`headers` tells lines that are surely below a level, `needs` derives from all rules of a source what a line
must hold, and `sieve` is what a tail asks. What it lets through is parsed and matched exactly as ever.
"""
