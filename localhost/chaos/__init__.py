"""`dev.py chaos`: the whole of Herald under random faults, judged by the stand-in's ledger and installations.

`plan`, `asks` and `bursts` draw from a seed what happens, `injector` and `queue_faults` do it, `load` asks for
broadcasts meanwhile, `watch` follows them, `evidence` reads what became of them, and `verdict` judges the facts by
`promises`. The product is met only from outside: by its HTTP API, its queues, and what arrives at the stand-in for
Teams and Graph.
"""
