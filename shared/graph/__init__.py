"""Microsoft Graph: installing the app, and reading the directory. Pure modules build and decipher, the client calls."""
