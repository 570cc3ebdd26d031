"""Write a database into a file; see `wherry db dump --help`.

python migrations_scripts/dump.py SOURCE FILE
"""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["db", "dump"]
    main()
