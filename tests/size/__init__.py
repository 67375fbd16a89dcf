"""Size: a plan for a million people by the real planner, in a process of its own that is killed again and again."""
