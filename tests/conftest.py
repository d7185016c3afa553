"""Fixtures of the whole suite: those of the testing kit, loaded here where the package is not installed."""

from importlib.metadata import entry_points

if not any(entry.value == "brickwork.testing.plugin" for entry in entry_points(group="pytest11")):
    pytest_plugins = ["brickwork.testing.plugin"]
