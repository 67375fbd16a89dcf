"""The installer's place. People without Herald's app get it through Microsoft Graph in later work.

Until then a person without a stored conversation is tried once by object id, and ends as
`undeliverable / not_installed` where the app is not there. The state `awaiting_install`, the install rows' names and
the queue `installs` are reserved in the data layout, so that this folder only adds to it.
"""
