"""``python migrations_scripts/plan_copy.py SOURCE TARGET``: what a copy would carry, and what stands in its way.

The same as ``wherry db plan``; ``--help`` tells the options, docs/migration.md what they mean.
"""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["db", "plan"]
    main()
