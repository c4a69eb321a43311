"""What was measured: a table for people, rows for programs."""

import json
import os
import platform
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent


def digits(v):
    a = abs(v)
    return 0 if a >= 100 or a == 0 else 1 if a >= 10 else 2 if a >= 1 else 3


class Report:
    """Rows of {name, value, unit, target, ok}, printed as they come."""

    def __init__(self):
        self.rows = []
        self.data = {}  # everything else that was measured, for --json

    @staticmethod
    def heading(text):
        print(f"\n{text}", flush=True)

    @staticmethod
    def note(text):
        print(f"  {text}", flush=True)

    def _row(self, name, value, unit, relation, target, ok):
        self.rows.append({"name": name, "value": round(value, digits(value) + 1), "unit": unit, "target": target,
                          "ok": ok})
        said = f"  {relation} {target:<8g} {'ok' if ok else 'MISSED'}" if target is not None else ""
        print(f"  {name:<78} {value:>10.{digits(value)}f} {unit:<10}{said}", flush=True)

    def plain(self, name, value, unit):
        self._row(name, value, unit, "", None, True)

    def at_most(self, name, value, unit, target):
        self._row(name, value, unit, "<=", target, value <= target)

    def at_least(self, name, value, unit, target):
        self._row(name, value, unit, ">=", target, value >= target)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"rows": self.rows, **self.data}, f, indent=1)
            f.write("\n")


def line(row):
    return json.dumps(row, ensure_ascii=False)


def merge(path, rows):
    """Puts rows into a results file: those of the same name in their old places, new ones behind."""
    path = Path(path)
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    new = {r["name"]: r for r in rows}
    merged = [new.pop(r["name"], r) for r in old] + list(new.values())
    path.write_text("[\n" + ",\n".join("  " + line(r) for r in merged) + "\n]\n", encoding="utf-8")


# ---- bench/RESULTS.md ----

BEGIN, END = "<!-- figures: written by make bench and make bench-compare -->", "<!-- end of figures -->"


def machine():
    """The machine in a sentence."""
    model = "unknown processor"
    for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if text.startswith("model name"):
            model = text.partition(":")[2].strip()
            break
    memory = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]) / (1 << 20)
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown system")
    return (f"{model}, {os.cpu_count()} processors, {memory:.0f} GiB, {release}, Linux "
            f"{platform.release().partition('-')[0]}")


def tables(rows):
    """Markdown: a table for each group, which is what stands before the colon of a name."""
    groups = {}
    for r in rows:
        group, colon, rest = r["name"].partition(": ")
        if r["unit"] != "per op" or r["value"]:
            groups.setdefault(group if colon else "The server alone, and its steps", []).append((rest or group, r))
    out = [f"Measured on: {machine()}."]
    for group, members in groups.items():
        out += ["", f"## {group}", "", "| | | target |", "|---|---|---|"]
        for name, r in members:
            value = f"{r['value']:.{digits(r['value'])}f} {r['unit']}"
            target = "" if r["target"] is None else f"{r['target']:g}" + ("" if r["ok"] else " **missed**")
            out.append(f"| {name} | {value} | {target} |")
    return "\n".join(out)


def write_markdown(path, results):
    """Puts the figures of a results file between the marks of a text; the rest of it is people's."""
    path = Path(path)
    before, mark, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    if not mark or END not in rest:
        raise ValueError(f"{path} has no place for figures ({BEGIN} ... {END})")
    rows = json.loads(Path(results).read_text(encoding="utf-8"))
    path.write_text(f"{before}{BEGIN}\n{tables(rows)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    # report.py RESULTS_JSON RESULTS_MD, rows on standard input, one a line
    merge(sys.argv[1], [json.loads(text) for text in sys.stdin if text.strip()])
    write_markdown(sys.argv[2], sys.argv[1])
