"""`make audit`: known holes of the pinned dependencies, told apart from those that nobody could ask about.

Writes build/audit.txt (`clean`, or what is wrong), which goes into the evidence that `mostrador verify` reads, and build/sbom.json.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
BUILD = ROOT / "build"


def main() -> int:
    BUILD.mkdir(exist_ok=True)
    lock = ROOT / "requirements.txt"
    subprocess.run(
        [TOOLS / "cyclonedx-py", "requirements", lock, "--of", "JSON", "-o", BUILD / "sbom.json"], check=True
    )
    words = [TOOLS / "pip-audit", "--disable-pip", "--require-hashes", "-r", lock, "-f", "json"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    if not asked.stdout.strip():
        sys.stderr.write(asked.stderr)
        return 1
    found = json.loads(asked.stdout)["dependencies"]
    holes = [f"{one['name']} {one['version']}: {hole['id']}" for one in found for hole in one.get("vulns", ())]
    unknown = [one["name"] for one in found if "skip_reason" in one]
    said = "; ".join(holes) or (f"nobody could say of {len(unknown)} of {len(found)}" if unknown else "clean")
    (BUILD / "audit.txt").write_text(said)
    sys.stdout.write(f"audit of {len(found)} packages: {said}\n")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
