"""`python -m dreamr`: the command `dreamr` where only the path of the package is known."""

from dreamr.cli.app import main

if __name__ == "__main__":
    main()
