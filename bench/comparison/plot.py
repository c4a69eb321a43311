"""The plot of CPU per packet against subscribers, by gnuplot."""

import shutil
import subprocess

from .systems import TITLES, CannotMeasure

COLOURS = {"fanlight": "#0b7a75", "janus": "#c1440e", "floor": "#555555"}

HEAD = """\
set terminal svg size 760,500 font 'sans-serif,13' background rgb 'white'
set output '{path}'
set title 'Server CPU per forwarded packet: 1 camera, 1.5 Mbit/s, 30 frames/s, AES-GCM, one core'
set xlabel 'subscribers'
set ylabel 'µs per packet'
set logscale x
set xtics ({tics})
set xrange [8:3200]
set yrange [0:*]
set grid ytics lc rgb '#dddddd'
set key outside bottom center horizontal
set border 3
set tics nomirror
"""


def draw(points, path):
    """points: {subscribers: {system: microseconds}}."""
    if not shutil.which("gnuplot"):
        raise CannotMeasure("gnuplot is not here; make deps-bench installs it")
    names = [n for n in COLOURS if any(n in row for row in points.values())]
    curves = ", ".join(f"'-' using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb '{COLOURS[n]}' "
                       f"title '{TITLES.get(n, 'floor: encryption and sending alone')}'" for n in names)
    blocks = "".join("".join(f"{count} {row[n]:.4f}\n" for count, row in points.items() if n in row) + "e\n"
                     for n in names)
    tics = ", ".join(f"'{int(c):,}' {c}" for c in points)
    script = HEAD.format(path=path, tics=tics) + f"plot {curves}\n{blocks}"
    r = subprocess.run(["gnuplot"], input=script.encode(), stderr=subprocess.PIPE, check=False)
    if r.returncode != 0:
        raise CannotMeasure(f"gnuplot: {r.stderr.decode().strip()}")
