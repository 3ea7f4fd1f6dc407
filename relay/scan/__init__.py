"""Many patterns over bytes at once: what RE2's patterns look like, made wider, and the engine that searches.

Nothing here knows of rules. What is found is near what an exact pattern would match: it may be too much,
never too little.
"""
