"""Write a dump into a database; see `wherry db restore --help`.

python migrations_scripts/restore.py FILE TARGET
"""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["db", "restore"]
    main()
