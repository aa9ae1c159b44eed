"""Results of earlier runs, so that running some rows does not lose the others."""

import dataclasses
import json
import os

from .result import Result


def load(path):
    """Rows kept by save(), by name; none when there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)["rows"]
    except FileNotFoundError:
        return {}
    known = {field.name for field in dataclasses.fields(Result)}
    return {row["name"]: Result(**{k: v for k, v in row.items() if k in known}) for row in rows}


def save(path, results):
    """Written whole under another name first: a run that is stopped leaves the old file or the new one."""
    rows = [dataclasses.asdict(result) for result in results]
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump({"rows": rows}, file, indent=1, ensure_ascii=False)
        file.write("\n")
    os.replace(path + ".tmp", path)
