"""``python -m app`` is the `candor` command."""

from app.commands.cli import main

if __name__ == "__main__":
    main()
