// What the page does in the browser beside htmx: it draws charts, and sends a form of filters when one is changed.
"use strict";

(() => {
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const plots = new Map();

  // Each series stands on those before it: the sums are drawn from the highest to the lowest.
  function stacked(series) {
    const sums = [];
    series.reduce((below, each) => {
      const sum = each.values.map((value, i) => value + (below ? below[i] : 0));
      sums.push(sum);
      return sum;
    }, null);
    return sums.reverse();
  }

  function draw(box) {
    plots.get(box)?.destroy();
    const chart = JSON.parse(box.dataset.chart);
    const order = [...chart.series].reverse();
    const axis = {stroke: color("--soft"), grid: {stroke: color("--line"), width: 1}, ticks: {show: false}};
    const bars = uPlot.paths.bars({size: [0.8, 60]});
    const write = value => value == null ? "–" : value.toLocaleString("en", {maximumSignificantDigits: 6});
    const tick = value => value < 1e6 ? write(value) : value.toLocaleString("en", {notation: "compact", maximumSignificantDigits: 4});
    const day = chart.hours ? "{HH}:{mm}" : "{D} {MMM}";
    const options = {
      width: box.clientWidth,
      height: 220,
      tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: {live: true},
      cursor: {points: {show: false}, drag: {x: false, y: false}},
      scales: {x: {range: (_, from, to) => { const half = (chart.times[1] - chart.times[0]) / 2; return [from - half, to + half]; }},
               y: {range: (_, __, top) => [0, top > 0 ? top * 1.05 : 1]}},
      axes: [{...axis, grid: {show: false}, size: 30, values: (_, ticks) => ticks.map(each => uPlot.fmtDate(day)(uPlot.tzDate(new Date(each * 1000), "Etc/UTC")))},
             {...axis, size: 56, values: (_, ticks) => ticks.map(tick)}],
      series: [
        {label: "UTC", value: (_, x) => x == null ? "–" : uPlot.fmtDate("{YYYY}-{MM}-{DD} {HH}:{mm}")(uPlot.tzDate(new Date(x * 1000), "Etc/UTC"))},
        ...order.map(each => ({
          label: each.name, paths: bars, points: {show: false}, fill: color(each.color), stroke: color(each.color), width: 0,
          value: (_, __, ___, i) => i == null ? "–" : write(each.values[i]),
        })),
      ],
    };
    plots.set(box, new uPlot(options, [chart.times, ...stacked(chart.series)], box));
  }

  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);

  function prepare() {
    drawAll();
    document.querySelectorAll("[data-unneeded]").forEach(each => { each.hidden = true; });
    document.querySelectorAll("[data-print]").forEach(each => {
      each.hidden = false;
      each.addEventListener("click", () => print());
    });
    document.addEventListener("submit", event => {
      const question = event.target.dataset.confirm;
      if (question && !confirm(question)) {
        event.preventDefault();
      }
    });
    document.querySelectorAll("form[data-auto]").forEach(form => form.addEventListener("change", () => form.requestSubmit()));
  }

  document.addEventListener("DOMContentLoaded", prepare);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", drawAll);
  }
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      drawAll();
    }
  });
})();
