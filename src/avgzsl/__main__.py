"""`python -m avgzsl` is `avgzsl`."""

from avgzsl.cli import main

if __name__ == "__main__":
    main()
