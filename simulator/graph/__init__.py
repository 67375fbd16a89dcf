"""Microsoft Graph, as far as an app needs it that installs itself: installations, catalogue, directory, batches.

`listener` takes a request over HTTP, `judging` puts token, limits, roles and faults before the deed, `table` says which
path does what. The state lives in `state`; nothing but `listener` and `announcing` does I/O.
"""
