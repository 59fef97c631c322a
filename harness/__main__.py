"""`python -m harness`, which launchers start; the same as the command `harness`."""

from __future__ import annotations

from harness.main import main

if __name__ == "__main__":
    main()
