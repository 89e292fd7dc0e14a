"""`python -m dancu`: the command line."""

import sys

from dancu.cli import main

sys.exit(main())
