"""The pipeline: tick (timer), planner (queue), sender (queue) and sweep."""
