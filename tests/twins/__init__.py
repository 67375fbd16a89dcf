"""Doubles with behaviour: each passes the contract suite of what it stands for."""
