"""Messages to people and systems, over many channels."""
