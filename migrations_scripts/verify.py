"""Compare two databases, document by document; see `wherry db verify --help`.

python migrations_scripts/verify.py SOURCE TARGET
"""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["db", "verify"]
    main()
