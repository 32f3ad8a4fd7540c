"""Known vulnerabilities of what is installed beside this Python, as OSV knows them.

    python recipes/audit.py                       # or: make audit
    python recipes/audit.py --path site-packages  # further options are pip-audit's

Exits with 0 where none is known, 1 where there are some, and 2 where not everything could be looked up: pip-audit itself
counts a package that it found nothing about as one that is fine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

OSV = "https://api.osv.dev/v1/query"


def main() -> int:
    """Print one line a vulnerability, and one on what was looked up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--osv-url", default=OSV)
    options, rest = parser.parse_known_args()
    asked = ["--vulnerability-service=osv", f"--osv-url={options.osv_url}", "--format=json", "--progress-spinner=off"]
    local = [] if any(word.startswith("--path") for word in rest) else ["--local", "--skip-editable"]
    command = [sys.executable, "-P", "-m", "pip_audit", *asked, *local, *rest]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = (done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode}"])[-1]
        print(f"not checked: {options.osv_url} can't be asked ({reason[:200]}); run it where there is a network")
        return 2
    known = [(package, problem) for package in packages for problem in package.get("vulns", [])]
    for package, problem in known:
        mended = ", ".join(problem["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {problem['id']}, mended in {mended}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    print(f"{len(packages) - len(skipped)} packages looked up, {len(known)} vulnerabilities known", end="")
    print(f"; not checked: {', '.join(skipped)[:200]}" if skipped else "")
    return 1 if known else 2 if skipped or not packages else 0


if __name__ == "__main__":
    raise SystemExit(main())
