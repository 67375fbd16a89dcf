"""Microsoft Graph. Its protocol and client arrive with the installer; the setting for its address exists already."""
