"""`python -m controller` is `trimaran`."""

from controller.cli import main

if __name__ == "__main__":
    main()
