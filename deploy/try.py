"""Runs the blocks of docs/PROCEDIMIENTO_DESPLIEGUE.md as they are written, as root, on a machine that may be thrown away.

python3 deploy/try.py instalar|actualizar|volver|deshacer; DOMINIO, REPO, VERSION, NUEVA and MANAGER come from the environment.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "PROCEDIMIENTO_DESPLIEGUE.md"


def main(part: str) -> int:
    blocks = re.findall(rf"^```sh {part}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    if not blocks:
        sys.stderr.write(f"no block is named {part}\n")
        return 2
    began = time.monotonic()
    # One shell, as of a person who pastes block after block: variables live from one to the next.
    script = "set -e\n" + "\n".join(blocks)
    code = subprocess.run(["/bin/bash", "-c", script], check=False).returncode
    sys.stdout.write(f"{part}: {len(blocks)} blocks, exit code {code}, {time.monotonic() - began:.0f} s\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
