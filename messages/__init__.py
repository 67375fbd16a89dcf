"""The door: bot activities in, broadcast requests in, reports out."""
