"""Run the Functions app on one machine, where Core Tools cannot be had, and what it needs around it.

The host (`python -m localhost`) gives HTTP, queue and timer triggers the semantics that the Functions host documents.
Azurite and the Agents Playground are started beside it. Nothing in this package is deployed.
"""
