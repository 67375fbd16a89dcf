"""Tokens for the Connector and for Graph: who the app is, and how it proves that to the identity provider."""
