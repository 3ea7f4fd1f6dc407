"""What a rule counts before it tells: `threshold`, `distinct`, `absent`, `rate`, `new`, `pair`.

Each is a pure function over a small frozen state, one state for each thing that is counted (its key is the
fingerprint of the alert to be). What is held back is counted, and told with the next message.
"""
