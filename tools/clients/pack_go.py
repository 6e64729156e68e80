#!/usr/bin/env python3
"""Packs clients/go as a module proxy serves it: `pack_go.py VERSION FOLDER`, whose address is then file://FOLDER."""

import json
import pathlib
import sys
import zipfile

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "clients" / "go"


def main():
    version, folder = f"v{sys.argv[1]}", pathlib.Path(sys.argv[2])
    about = (SOURCE / "go.mod").read_text()
    name = about.split()[1]
    versions = folder / name / "@v"
    versions.mkdir(parents=True)
    (versions / "list").write_text(version + "\n")
    (versions / f"{version}.info").write_text(json.dumps({"Version": version}))
    (versions / f"{version}.mod").write_text(about)
    with zipfile.ZipFile(versions / f"{version}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(SOURCE.rglob("*")):
            if file.is_file():
                packed.write(file, f"{name}@{version}/{file.relative_to(SOURCE)}")


if __name__ == "__main__":
    main()
