"""Finding the few lines that some rule could want, a block of bytes at a time.

`syntax` reads RE2 patterns, `widen` makes wider patterns over bytes of them, `headers` tells lines that are surely
below a level, `needs` derives from all rules of a source what a line must hold, `engine` runs that over blocks, and
`sieve` is what a tail asks. What it lets through is parsed and matched exactly as ever: it may let through too
much, never too little.
"""
