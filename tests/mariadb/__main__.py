"""Run a Python script on a private MariaDB server: ``python -m tests.mariadb SCRIPT WORD...``.

The script gets ``--database URL`` of an empty database besides its words.
"""

import subprocess
import sys

from tests.mariadb.server import Server

server = Server()
try:
    url = server.start().make_database("scratch")
    status = subprocess.run([sys.executable, *sys.argv[1:], f"--database={url}"]).returncode
finally:
    server.remove()
sys.exit(status)
