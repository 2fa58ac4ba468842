"""`python -m elevenphone`: the command line."""

import sys

from elevenphone.cli import main

if __name__ == "__main__":
    sys.exit(main())
