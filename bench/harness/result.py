"""One line of the results table."""

import dataclasses
import statistics


@dataclasses.dataclass
class Result:
    name: str                      # as given to --rows
    what: str
    goal: str
    figure: str = ""
    bound: str = ""
    ratio: float | None = None
    met: bool | None = None        # None: there is no goal, or the run cannot tell
    bounded_by: str = ""
    command: str = ""
    notes: list = dataclasses.field(default_factory=list)
    failed: str = ""
    date: str = ""
    mode: str = ""                 # full | shortened | quick
    commit: str = ""
    machine: str = ""              # on which it was measured, in words
    run: str = ""                  # the command line that measured it
    raw: dict = dataclasses.field(default_factory=dict)

    def verdict(self):
        if self.failed:
            return "failed"
        return {True: "met", False: "**missed**", None: "–"}[self.met]


def median(values):
    return statistics.median(values)


def count(value):
    return f"{value:,.0f}"


def micros(value):
    return f"{value:,.0f} µs" if value < 10_000 else f"{value / 1000:,.1f} ms"


def what_bounds(server_cpu, load_cpu):
    """Says it from the shares of their cores that server and generator used."""
    used = f"server {server_cpu:.0%} of its core, generator {load_cpu:.0%}"
    if load_cpu > 0.97 and load_cpu > server_cpu:
        return f"the load generator ({used}): the figure is a lower limit"
    if server_cpu > 0.9:
        return f"server processor time ({used})"
    return f"neither core is full ({used}): waiting, for syncs or for each other"
