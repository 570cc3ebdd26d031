"""``python migrations_scripts/copy_documents.py SOURCE TARGET``: carry all over, or go on where a copy was cut off.

The same as ``wherry db copy``; ``--help`` tells the options, docs/migration.md what they mean.
"""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["db", "copy"]
    main()
