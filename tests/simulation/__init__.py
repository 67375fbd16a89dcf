"""The deterministic simulation: real handlers, many instances, a virtual clock, and every fault drawn from one seed.

docs/simulation.md tells what is simulated, what is promised, and how a seed is replayed.
"""
