#!/usr/bin/env python3
"""Packs a folder as an image of one layer, in the form of `docker save`: pack.py NAME:TAG FOLDER ARCHIVE."""

import argparse
import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("folder")
    parser.add_argument("archive")
    parser.add_argument("--entrypoint")
    parser.add_argument("--user", default="0")
    return parser.parse_args()


def nobodys(entry):
    """The same folder packs to the same bytes, whoever made it and whenever."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def pack_layer(folder, file):
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for name in sorted(os.listdir(folder)):
            layer.add(os.path.join(folder, name), name, filter=nobodys)
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def add(archive, name, content, size):
    entry = nobodys(tarfile.TarInfo(name))
    entry.size = size
    archive.addfile(entry, content)


def add_json(archive, name, value):
    content = json.dumps(value).encode()
    add(archive, name, io.BytesIO(content), len(content))


def main():
    options = arguments()
    with tempfile.TemporaryFile() as layer:
        digest = pack_layer(options.folder, layer)
        size = layer.tell()
        layer.seek(0)
        config = {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {
                "Env": [f"PATH={PATH}"],
                "User": options.user,
                "Entrypoint": [options.entrypoint] if options.entrypoint else None,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        manifest = {"Config": "config.json", "RepoTags": [options.name], "Layers": [f"{digest}.tar"]}
        unfinished = options.archive + ".unfinished"
        with tarfile.open(unfinished, "w", format=tarfile.GNU_FORMAT) as archive:
            add_json(archive, "config.json", config)
            add_json(archive, "manifest.json", [manifest])
            add(archive, f"{digest}.tar", layer, size)
        os.rename(unfinished, options.archive)


main()
