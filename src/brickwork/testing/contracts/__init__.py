"""The contract of each port, as test classes: a backend's author subclasses one and gives it a fixture."""
