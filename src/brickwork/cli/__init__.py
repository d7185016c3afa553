"""The `brickwork` command."""


def main() -> None:
    """Run the command; a typed error is shown as one line, without a traceback."""
    from brickwork.cli.app import run

    run()
