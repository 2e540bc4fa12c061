"""`python -m alt.cli` is `alt`."""

from . import main

if __name__ == "__main__":
    main()
