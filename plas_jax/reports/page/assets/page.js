/* Draws the page's figures from its data, in place of the still ones. Names are set as text and never as HTML. */
(() => {
  "use strict";
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const {series, datasets, levels, figures} = page;
  const hidden = new Set();
  const ALL = "all data sets", FEW = 6;
  const DASHES = [null, "7 3", "2 3"];
  const colour = (place) => `var(--c${place % 8})`;
  const dash = (place) => DASHES[Math.floor(place / 8) % 3];
  const shown = (item) => !hidden.has(item.s);
  const number = (value) => (value === null || value === undefined ? "—" : value.toFixed(1).replace("-", "−"));
  const whole = d3.format(",");
  const interval = (item) => (item.i ? ` [${number(item.i[0])}, ${number(item.i[1])}]` : "");

  function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function choice(label, options, changed) {
    const select = make("select", {}, ...options.map((text, place) => make("option", {value: String(place)}, text)));
    select.addEventListener("change", changed);
    return [make("label", {}, `${label} `, select), select];
  }

  /* Every figure: its controls once, and a function that returns its drawings. */
  function width(panels, columns) {
    const gap = 16, room = panels.clientWidth || 340;
    return Math.max(240, Math.floor((room - gap * (columns - 1)) / columns));
  }

  function fitting(panels, count) {
    return Math.max(1, Math.min(count, Math.floor(((panels.clientWidth || 340) + 16) / 352)));
  }

  function titled(title, drawing) {
    return make("div", {}, make("h3", {}, title), drawing);
  }

  /* One picture for a screen reader: what is inside has no role that a label could belong to. */
  function picture(svg) {
    svg.setAttribute("role", "img");
    for (const group of svg.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
    return svg;
  }

  function lines(rows, options) {
    const flat = rows.flatMap((row) => row.points);
    return picture(Plot.plot({
      width: options.width, height: Math.max(220, Math.min(400, options.width * 0.55)), marginLeft: 46, marginBottom: 36,
      ariaLabel: options.label, ariaDescription: options.description,
      x: {label: options.x, tickFormat: options.tickFormat, ticks: Math.max(3, Math.floor(options.width / 90)), zero: options.zero},
      y: {label: options.y, grid: true, nice: true, type: options.scale ?? "linear"},
      marks: [
        options.level == null ? null : Plot.ruleY([options.level], {stroke: "var(--data)", strokeDasharray: "5 3"}),
        options.seeds ? Plot.dot(rows.flatMap((row) => row.seeds), {x: "x", y: "y", fill: (seed) => colour(seed.s), fillOpacity: 0.45, r: 2}) : null,
        ...rows.map((row) => Plot.lineY(row.points, {x: "x", y: "y", stroke: colour(row.s), strokeDasharray: dash(row.s), strokeWidth: 1.8})),
        Plot.dot(flat.filter((point) => point.crossed), {x: "x", y: "y", symbol: "times", stroke: "var(--ink)", r: 5, strokeWidth: 2}),
        Plot.tip(flat, Plot.pointer({x: "x", y: "y", title: "title", maxRadius: 200, fill: "var(--raised)", stroke: "var(--quiet)", fontSize: 12, ariaHidden: "true"})),
      ],
    }));
  }

  function dots(rows, options) {
    const most = options.width > 600 ? 60 : 26;
    const names = options.names.map((text) => (text.length > most ? `${text.slice(0, most - 2)}…` : text));
    const place = new Map(rows.map((row, index) => [row, index]));
    const y = (row) => place.get(row);
    return picture(Plot.plot({
      width: options.width, height: 20 * rows.length + 46, marginTop: 6, marginBottom: 34,
      marginLeft: Math.min(options.width * 0.42, 12 + 6.2 * Math.max(4, ...names.map((text) => text.length))),
      ariaLabel: options.label, ariaDescription: options.description,
      x: {label: options.x, grid: true, nice: true, ticks: Math.max(3, Math.floor(options.width / 90)), domain: options.domain},
      y: {type: "band", domain: d3.range(rows.length), tickFormat: (index) => names[index], label: null, tickSize: 0},
      marks: [
        options.level == null ? null : Plot.ruleX([options.level], {stroke: "var(--data)", strokeDasharray: "5 3"}),
        Plot.link(rows.filter((row) => row.i), {x1: (row) => row.i[0], x2: (row) => row.i[1], y1: y, y2: y, stroke: (row) => colour(row.s), strokeWidth: 2.5}),
        Plot.dot(rows.flatMap((row) => (row.v ?? []).filter((v) => v !== null && row.v.length > 1).map((v) => ({v, row}))), {x: "v", y: (seed) => y(seed.row), fill: (seed) => colour(seed.row.s), fillOpacity: 0.45, r: 2, dy: 5}),
        Plot.dot(rows.filter((row) => row.p != null), {x: "p", y, symbol: "diamond", stroke: "var(--ink)", strokeWidth: 1.4, r: 4.5}),
        Plot.dot(rows.filter((row) => row.m !== null), {x: "m", y, fill: (row) => colour(row.s), r: 4}),
        Plot.dot(rows.filter((row) => row.x && row.m !== null), {x: "m", y, symbol: "times", stroke: "var(--ink)", strokeWidth: 2, r: 5}),
        Plot.text(rows.filter((row) => row.m === null), {y, frameAnchor: "left", dx: 4, text: (row) => (row.x ? "no mean: a seed diverged" : "no number")}),
        Plot.tip(rows.filter((row) => row.m !== null), Plot.pointerY({x: "m", y, title: "title", fill: "var(--raised)", stroke: "var(--quiet)", fontSize: 12, ariaHidden: "true"})),
      ],
    }));
  }

  const drawers = {
    curves(panels, controls) {
      const {updates, lines: all} = figures.curves;
      const names = datasets.filter((_, d) => all.some((line) => line.d === d));
      const [label, select] = choice("Data set", names.length > 1 ? [...names, ALL] : names, () => redraw("curves"));
      const seeds = make("input", {type: "checkbox", checked: series.length <= FEW});
      seeds.addEventListener("change", () => redraw("curves"));
      controls.append(label, make("label", {}, seeds, " each seed"));
      const rowsOf = (d) => all.filter((line) => line.d === d && shown(line)).map((line) => {
        const at = updates[line.u];
        const dotted = new Map(line.p.map((place, k) => [place, {v: line.v[k], i: line.i[k]}]));
        const seedsAt = (place) => (dotted.has(place) ? `${interval(dotted.get(place))}\nseeds: ${dotted.get(place).v.map(number).join(", ")}` : ` (${line.n} ${line.n === 1 ? "seed" : "seeds"})`);
        const points = line.m.map((mean, place) => ({
          x: at[place], y: mean ?? NaN,
          title: `${series[line.s]}\nupdate ${whole(at[place])}\n${number(mean)}${seedsAt(place)}${line.x.length ? `\n${line.x.length} diverged, first at ${whole(line.x[0])}` : ""}`,
        }));
        if (line.x.length) {
          const healthy = points.filter((point) => point.x <= line.x[0] && !Number.isNaN(point.y));
          const last = healthy.at(-1) ?? points.find((point) => !Number.isNaN(point.y));
          if (last) last.crossed = true;
        }
        const dots = [...dotted].flatMap(([place, of]) => of.v.filter((v) => v !== null).map((y) => ({x: at[place], y, s: line.s})));
        return {s: line.s, points, seeds: dots};
      });
      return () => {
        const chosen = select.selectedOptions[0].textContent === ALL && select.selectedIndex === names.length ? names : [names[select.selectedIndex]];
        const columns = fitting(panels, chosen.length);
        return chosen.map((text) => titled(text, lines(rowsOf(datasets.indexOf(text)), {
          width: width(panels, columns), seeds: seeds.checked, zero: true, x: "policy updates", y: "score", tickFormat: "~s", level: levels[datasets.indexOf(text)],
          label: `Learning curves on ${text}`, description: "Mean score over seeds by policy updates; the table below has the numbers.",
        })));
      };
    },
    q_errors(panels, controls) {
      const {measures, lines: all} = figures.q_errors;
      const names = datasets.filter((_, d) => all.some((line) => line.d === d));
      const [label, select] = choice("Data set", names, () => redraw("q_errors"));
      controls.append(label);
      return () => {
        const d = datasets.indexOf(names[select.selectedIndex]);
        const columns = fitting(panels, measures.length);
        return measures.map((text, k) => titled(text, lines(all.filter((line) => line.d === d && line.k === k && shown(line)).map((line) => ({s: line.s, points: line.m.map((value, place) => ({
          x: line.u[place], y: value ?? NaN, title: `${series[line.s]}\nupdate ${whole(line.u[place])}\n${text} ${value === null ? "—" : d3.format(",.4~g")(value)}`}))})), {
          width: width(panels, columns), zero: true, x: "policy updates", y: text, tickFormat: "~s", label: `${text} on ${datasets[d]}`, description: "The table below has the numbers."})));
      };
    },
    scores(panels) {
      return () => {
        const names = datasets.filter((_, d) => figures.scores.some((item) => item.d === d));
        const columns = fitting(panels, names.length);
        return names.map((text) => {
          const d = datasets.indexOf(text);
          const rows = figures.scores.filter((item) => item.d === d && shown(item)).map((item) => ({...item,
            title: `${series[item.s]}\n${number(item.m)}${interval(item)}\nseeds: ${item.v.map(number).join(", ")}${item.x ? `\n${item.x} diverged` : ""}${item.p == null ? "" : `\npaper, v0: ${number(item.p)}`}`}));
          return titled(text, dots(rows, {names: rows.map((row) => series[row.s]), width: width(panels, columns), x: "normalised score", level: levels[d],
            label: `Scores on ${text}`, description: "Mean over seeds with its interval, by method; the table below has the numbers."}));
        });
      };
    },
    aggregates(panels) {
      return () => {
        const names = [...new Set(figures.aggregates.map((item) => item.t))];
        const columns = fitting(panels, names.length);
        return names.map((text) => {
          const rows = figures.aggregates.filter((item) => item.t === text && shown(item)).map((item) => ({...item, title: `${series[item.s]}\n${text} ${number(item.m)}${interval(item)}`}));
          return titled(text, dots(rows, {names: rows.map((row) => series[row.s]), width: width(panels, columns), x: text, label: `${text} by method`, description: "The table below has the numbers."}));
        });
      };
    },
    profiles(panels) {
      const {tau, lines: all} = figures.profiles;
      return () => [lines(all.filter(shown).map((line) => ({s: line.s, points: line.m.map((share, place) => ({
        x: tau[place], y: share ?? NaN, title: `${series[line.s]}\n${share === null ? "—" : (100 * share).toFixed(0)} % of runs above ${number(tau[place])}`}))})), {
        width: width(panels, 1), x: "score τ", y: "share of runs above τ", label: "Performance profiles", description: "The table below has the numbers."})];
    },
    improvement(panels, controls) {
      const places = [...new Set(figures.improvement.map((item) => item.b))];
      const [label, select] = choice("Compared with", places.map((place) => series[place]), () => redraw("improvement"));
      controls.append(label);
      return () => {
        const over = places[select.selectedIndex];
        const rows = figures.improvement.filter((item) => item.b === over && !hidden.has(item.a)).map((item) => ({s: item.a, m: item.p, i: item.p === null ? null : [50, item.p],
          title: `${series[item.a]} beats ${series[over]}\nin ${number(item.p)} % of pairs of runs`}));
        return [dots(rows, {names: rows.map((row) => series[row.s]), width: width(panels, 1), x: "% of pairs that are won", domain: [0, 100], level: 50, label: `Probability of improvement over ${series[over]}`, description: "The table below has the numbers."})];
      };
    },
    time(panels) {
      const items = figures.time;
      const names = [...new Set(items.map((item) => item.l))];
      return () => [picture(Plot.plot({
        width: width(panels, 1), height: 20 * names.length + 50, marginLeft: Math.min(width(panels, 1) * 0.42, 12 + 6.2 * Math.max(4, ...names.map((text) => text.length))), marginBottom: 34,
        ariaLabel: "Wall seconds by method and phase", ariaDescription: "The table below has the numbers.",
        x: {label: "wall seconds", grid: true, tickFormat: ","}, y: {domain: d3.range(names.length), tickFormat: (index) => names[index], label: null, tickSize: 0},
        marks: [Plot.barX(items, Plot.stackX({x: "v", y: (item) => names.indexOf(item.l), z: "p", fill: (item) => colour(item.k), title: (item) => `${item.l}\n${item.p}: ${whole(Math.round(item.v))} s`,
          tip: {fill: "var(--raised)", stroke: "var(--quiet)", fontSize: 12, ariaHidden: "true"}}))],
      }))];
    },
    moves(panels) {
      const rows = figures.moves.map((item) => ({...item, s: 0, title: `${item.l}\n${number(item.m)}${interval(item)}`}));
      return () => [dots(rows, {names: rows.map((row) => row.l), width: width(panels, 1), x: "difference of scores", level: 0, label: "What moved", description: "The table below has the numbers."})];
    },
  };

  function swatch(place) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [name, value] of Object.entries({x1: 0, y1: 6, x2: 28, y2: 6, class: `swatch s${place % 8} k${Math.floor(place / 8) % 3}`})) line.setAttribute(name, value);
    svg.setAttribute("viewBox", "0 0 28 12");
    svg.setAttribute("aria-hidden", "true");
    svg.append(line);
    return svg;
  }

  const drawn = new Map();
  function redraw(kind) {
    const {panels, draw} = drawn.get(kind);
    let nodes;
    try {
      nodes = draw();
    } catch (error) {
      console.error(kind, error); // what stands there already stays
      return;
    }
    panels.classList.toggle("one", nodes.length === 1 || kind === "time");
    panels.replaceChildren(...nodes);
  }

  function methods() {
    if (series.length < 2) return;
    const boxes = series.map((text, place) => {
      const box = make("input", {type: "checkbox", checked: true});
      box.addEventListener("change", () => {
        box.checked ? hidden.delete(place) : hidden.add(place);
        redrawAll();
      });
      return box;
    });
    const every = (checked) => () => {
      boxes.forEach((box, place) => {
        box.checked = checked;
        checked ? hidden.delete(place) : hidden.add(place);
      });
      redrawAll();
    };
    const all = make("button", {type: "button"}, "All"), none = make("button", {type: "button"}, "None");
    all.addEventListener("click", every(true));
    none.addEventListener("click", every(false));
    const list = make("ul", {}, ...boxes.map((box, place) => make("li", {}, make("label", {}, box, swatch(place), series[place]))));
    const panel = make("details", {id: "methods"}, make("summary", {}, "Choose methods"), all, " ", none, list);
    document.querySelector("main").append(panel);
  }

  function redrawAll() {
    for (const kind of drawn.keys()) if (kind !== "time" && kind !== "moves") redraw(kind);
  }

  for (const figure of document.querySelectorAll("figure[data-kind]")) {
    const kind = figure.dataset.kind;
    const empty = Array.isArray(figures[kind]) ? figures[kind].length === 0 : figures[kind].lines?.length === 0;
    if (!drawers[kind] || empty) continue;
    const panels = figure.querySelector(".panels");
    drawn.set(kind, {panels, draw: drawers[kind](panels, figure.querySelector(".controls"))});
  }
  methods();
  for (const kind of drawn.keys()) redraw(kind);
  let before = window.innerWidth, waiting = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === before) return;
    before = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(() => { for (const kind of drawn.keys()) redraw(kind); }, 150);
  });
  document.documentElement.dataset.drawn = "yes";
})();
