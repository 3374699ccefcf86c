#!/usr/bin/env python3
"""Django's command line; re-executes itself inside the private .venv when started with another Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parent / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main() -> None:
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed yet. Run `python3 run.py` once: it sets everything up.")
    try:
        if sys.argv[1:2] == ["up"]:
            from mediagen_site.environment import make_keys, var_dir

            make_keys(var_dir())  # the settings need them
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    if PYTHON.exists() and Path(sys.prefix).resolve() != VENV.resolve() and not os.environ.get("MEDIAGEN_NO_VENV"):
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediagen_site.settings")
    main()
