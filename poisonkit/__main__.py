"""`python -m poisonkit`."""

from poisonkit.cli import main

if __name__ == "__main__":
    main()
