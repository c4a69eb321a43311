# One scenario: rates above, layer and queue below. data, title and svg are set by the caller.
set terminal svg size 900,640 font 'sans,12' background '#ffffff'
set output svg
set multiplot layout 2,1 title title noenhanced
set grid
set key outside right top
set lmargin 10
set rmargin 24
set xlabel 's'
set ylabel 'kbit/s'
stats data using 2 nooutput
top = STATS_max > 0 ? STATS_max * 1.3 : 5000
set yrange [0:top]
plot data using 1:2 with lines lw 2 lc rgb '#888888' title 'link', \
     data using 1:3 with lines lw 2 lc rgb '#c0392b' title 'estimate', \
     data using 1:4 with lines lc rgb '#e8b04a' title 'received', \
     data using 1:5 with lines lc rgb '#2d7dd2' title 'media of it'
set ylabel 'queue, ms'
set yrange [0:*]
set y2label 'layer'
set y2range [-1.2:4]
set y2tics 1
set ytics nomirror
plot data using 1:6 with lines lc rgb '#7d5ba6' title 'queue', \
     data using 1:7 axes x1y2 with steps lw 2 lc rgb '#2e8b57' title 'layer'
unset multiplot
