"""``python -m mr`` is the command ``mr``."""

from mr.cli import main

if __name__ == "__main__":
    main()
