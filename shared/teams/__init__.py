"""Microsoft Teams through the Bot Connector: protocol (pure), clients (calls), and the bot SDK, wrapped."""
