"""Bundled libraries: what the repair of a wheel copied into it, added to its bill of materials.

Which libraries those are is known only inside the build, so this module runs there too: alone, on
the build image's own Python, with nothing but the standard library.

A component of a bundled library is made by :func:`bundled_component` and looks like this::

    {
        "type": "library",
        "bom-ref": "bundled:psutil.libs/libfoo-1a2b3c4d.so.1",
        "name": "libfoo.so.1",
        "version": "1.2-3",
        "purl": "pkg:deb/debian/libfoo1@1.2-3?arch=…",
        "hashes": [{"alg": "SHA-256", "content": "<64 digits, of the file in the wheel>"}],
        "properties": [{"name": "zport:bundled:path", "value": "psutil.libs/libfoo-1a2b3c4d.so.1"}]
    }
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

PATH = "zport:bundled:path"


def bundled_component(
    name: str, version: str, package: str, architecture: str, path: str, sha256: str
) -> dict[str, Any]:
    """The CycloneDX component of one library that lies in the wheel.

    ``name`` is the library's own (its SONAME before the repair), ``version`` and ``package`` those
    of the Debian package that it came from, ``architecture`` Debian's. ``path`` is where it lies
    in the wheel, ``sha256`` that file's hash: the repair has changed it.
    """
    safe = quote(version, safe=".-_~:")
    return {
        "type": "library",
        "bom-ref": f"bundled:{path}",
        "name": name,
        "version": version,
        "purl": f"pkg:deb/debian/{quote(package, safe='.-_~')}@{safe}?arch={architecture}",
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "properties": [{"name": PATH, "value": path}],
    }


def add_bundled(sbom: dict[str, Any], components: list[dict[str, Any]]) -> dict[str, Any]:
    """The parsed bill with these components in it, and the wheel depending on each.

    The argument stays as it is. Components that are there already are replaced, so doing it twice
    changes nothing.
    """
    new = {component["bom-ref"]: component for component in components}
    known = {component["bom-ref"]: component for component in sbom.get("components", [])}
    wheel = sbom["metadata"]["component"]["bom-ref"]
    needed = {entry["ref"]: set(entry.get("dependsOn", [])) for entry in sbom["dependencies"]}
    needed.update({ref: needed.get(ref, set()) for ref in new})
    needed[wheel] = needed.get(wheel, set()) | set(new)
    merged = known | new
    return {
        **sbom,
        "components": [merged[ref] for ref in sorted(merged)],
        "dependencies": [
            {"ref": ref, **({"dependsOn": sorted(on)} if on else {})}
            for ref, on in sorted(needed.items())
        ],
    }
