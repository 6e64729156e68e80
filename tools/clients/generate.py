#!/usr/bin/env python3
"""Writes what the clients have from the API: `generate.py PROGRAM` asks the built server what it serves.

With `--check` nothing is written: it ends with 1 and names each file that is stale.
"""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
import go  # noqa: E402
import model  # noqa: E402
import node  # noqa: E402
import php  # noqa: E402
import python  # noqa: E402
import rust  # noqa: E402
import texts  # noqa: E402

# One a language: a module with `files`, which gives the text of each file by its path. And one for what their pages say.
LANGUAGES = (python, go, node, php, rust, texts)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("program", help="the built authnzerver")
    options.add_argument("--check", action="store_true", help="only tell what is stale")
    options = options.parse_args()
    api = model.read(options.program)
    if problems := texts.problems():
        sys.exit("\n".join(problems))
    stale = []
    for language in LANGUAGES:
        files = language.files(api)
        # Some folders have nothing but these: what else lies there is of a request that is gone.
        for folder in getattr(language, "OWNED", ()):
            for file in (model.ROOT / folder).iterdir() if (model.ROOT / folder).is_dir() else ():
                path = f"{folder}/{file.name}"
                if path not in files:
                    stale.append(path)
                    if not options.check:
                        file.unlink()
        for path, text in files.items():
            file = model.ROOT / path
            if file.exists() and file.read_text() == text:
                continue
            stale.append(path)
            if not options.check:
                pathlib.Path.mkdir(file.parent, parents=True, exist_ok=True)
                file.write_text(text)
    if options.check and stale:
        sys.exit("\n".join(f"{path} is stale: run `make clients`" for path in stale))


if __name__ == "__main__":
    main()
