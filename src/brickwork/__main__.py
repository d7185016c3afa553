"""`python -m brickwork` is the `brickwork` command."""

from brickwork.cli import main

if __name__ == "__main__":
    main()
