"""Pure rules: no I/O, no clock, no environment. Time, jitter and ids are passed in."""
