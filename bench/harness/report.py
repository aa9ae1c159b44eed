"""bench/RESULTS.md from results."""

TITLE = """# Benchmark results

Written by `make bench` (bench/run.py); do not edit. Every ratio is to a bound measured in the same run on the same
machine: see [README.md](README.md) for what the bounds are and how fairness is kept. Each row says when, at which
commit and how it was measured: *full* is what `make bench` does, *shortened* had shorter or fewer runs.
"""


def cell(text):
    return str(text).replace("|", "\\|")


def table(results):
    lines = ["| what | figure | bound | ratio | goal | verdict | what bounds it | measured |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for r in results:
        ratio = "" if r.ratio is None else f"{r.ratio:.2f}"
        measured = f"{r.date}, {r.mode}, {r.commit}" if r.date else ""
        figure = r.figure if r.date else "not measured"
        if r.failed:
            figure = "failed"
        lines.append("| " + " | ".join(cell(x) for x in (
            r.what, figure, r.bound, ratio, r.goal, r.verdict() if r.date else "not measured",
            r.bounded_by, measured)) + " |")
    return "\n".join(lines)


def details(results):
    parts = []
    for r in results:
        if not r.date:
            continue
        parts.append(f"### `{r.name}`: {r.what}\n\n`{r.command}`\n" if r.command else f"### `{r.name}`: {r.what}\n")
        if r.failed:
            parts.append(f"* FAILED: {r.failed}")
        parts += [f"* {note}" for note in r.notes]
        if r.run:
            parts.append(f"* measured {r.date} at {r.commit} by `{r.run}`")
        parts.append("")
    return "\n".join(parts)


def machines(results):
    """Each machine once, with the rows that were measured on it unless that is all of them."""
    rows = {}
    for r in results:
        if r.machine:
            rows.setdefault(r.machine, []).append(f"`{r.name}`")
    if len(rows) == 1:
        return f"Machine: {next(iter(rows))}.\n"
    return "".join(f"* Machine of {', '.join(names)}: {machine}.\n" for machine, names in rows.items())


def machine_text(machine, sync):
    text = "{cores} cores, {cpu}, {memory_gib} GiB, Linux {kernel}, {file_system}".format(**machine)
    if sync:
        text += (f"; write + fdatasync of {sync['size']} bytes: p50 {sync['p50_us']:.0f} µs, p99 "
                 f"{sync['p99_us']:.0f} µs, {sync['syncs_per_s']:,.0f}/s")
    return text


def write(path, results, quick):
    text = TITLE
    if quick:
        text += "\n**A quick run**: short rows and few of them, for trying the harness; not for comparing.\n"
    text += f"\n{machines(results)}\n{table(results)}\n\n## Details\n\n{details(results)}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.rstrip() + "\n")
