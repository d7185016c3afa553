"""Signers that ship with brickwork: a key in a file, a key of a service, a key in a device."""
