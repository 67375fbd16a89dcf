"""A stand-in for Teams on loopback: Bot Connector, Entra, a part of Graph, and the people who use them.

It judges Herald from outside, so it imports nothing of Herald. `simulator.standin.StandIn` runs it inside a test,
`python -m simulator` runs it as a process, and `simulator.control.Control` steers it from another process.
"""
