"""The installer: gives people the Teams app through Microsoft Graph, learns the chat to speak in, and hands on."""
