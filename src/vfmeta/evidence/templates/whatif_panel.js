/* The what-if panel: trials in and out, heterogeneity prior, threshold and estimator, answered in the reader's browser. */
const vfmetaWhatIf = (() => {
  const MINUS = "\u2212";
  const FAMILIES = ["HalfNormal", "HalfCauchy", "Exponential"];
  const NAMES = { HalfNormal: "half-normal", HalfCauchy: "half-Cauchy", HalfT: "half-t", Exponential: "exponential", LogNormal: "log-normal", Uniform: "uniform", Jeffreys: "Jeffreys" };
  const METHODS = { REML: "REML", DL: "DerSimonian-Laird", PM: "Paule-Mandel" };

  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
    node.append(...children);
    return node;
  };
  const draw = (tag, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const plain = (x, digits) => {
    const text = Math.abs(x).toFixed(digits);
    return x < 0 && Number(text) !== 0 ? MINUS + text : text;
  };
  function ratio(x) {
    if (x < 0.0005) return "<0.001";
    if (x >= 99999.5) return Number.isFinite(x) ? ">99999" : "\u221e";
    return plain(x, x < 0.01 ? 3 : x < 99.995 ? 2 : x < 999.95 ? 1 : 0);
  }
  /* An important benefit as people state it: a ratio, or a number of points whichever way is better. */
  const size = (a, mid) => (a.log ? Math.exp(mid) : Math.abs(mid - a.null));
  const place = (a, given) => a.null + a.better * Math.abs(a.log ? Math.log(given) : given);
  const value = (a, x) => (a.log ? ratio(Math.exp(x)) : plain(x, a.digits));
  const span = (a, [low, high]) => `${value(a, low)} to ${value(a, high)}`;
  const chance = (p) => (p < 0.001 ? "< 0.001" : p > 0.999 ? "> 0.999" : p.toFixed(p < 0.00995 || p >= 0.995 ? 3 : 2));

  /* What is selected: the plan's own choices until the reader changes one. */
  const planned = (a) => ({ out: [], family: a.tau.family, scale: a.tau.scale ?? null, mid: a.mid, method: a.method });
  const same = (a, s) => JSON.stringify({ ...planned(a), out: [] }) === JSON.stringify({ ...s, out: [] }) && !s.out.length;

  function compute(a, s) {
    const kept = a.labels.map((_, i) => i).filter((i) => !s.out.includes(a.labels[i]));
    const y = kept.map((i) => a.y[i]), v = kept.map((i) => a.v[i]);
    const tau = s.family === a.tau.family ? { ...a.tau, ...(s.scale === null ? {} : { scale: s.scale }) } : { family: s.family, scale: s.scale ?? a.unit };
    return {
      kept,
      fit: kept.length ? vfmetaEngine.pool(y, v, s.method, a.test, a.level) : null,
      exact: kept.length > 1 ? vfmetaEngine.posterior(y, v, tau, a.mu, a.level) : null,
    };
  }

  function rows(a, s, found) {
    const { fit, exact, kept } = found, percent = `${100 * a.level}%`;
    if (!kept.length) return [["No trial is left", ""]];
    if (kept.length === 1) return [[`${a.labels[kept[0]]}, nothing pooled (${percent} interval)`, `${value(a, fit.estimate)} (${span(a, fit.interval)})`]];
    const out = [];
    if (exact) {
      out.push([`Effect (${percent} interval), Bayesian`, `${value(a, exact.estimate)} (${span(a, exact.interval)})`]);
      out.push(["True effect in a next trial", span(a, exact.next)]);
      if (a.better) {
        const beyond = (x) => (a.better < 0 ? exact.below(x) : 1 - exact.below(x));
        out.push(["Probability of any benefit", chance(beyond(a.null))]);
        if (s.mid !== null) out.push([`Probability of a benefit beyond ${a.log ? value(a, s.mid) : size(a, s.mid).toFixed(a.digits)} (${a.unitWords})`, chance(beyond(s.mid))]);
      }
    } else out.push(["Bayesian", "too few trials for so wide a prior"]);
    const wide = fit.adhoc ? `; ad hoc interval ${span(a, fit.adhoc)}` : "";
    out.push([`Effect (${percent} interval), ${METHODS[s.method]}${a.test === "HKSJ" ? " with Hartung-Knapp" : ""}`, `${value(a, fit.estimate)} (${span(a, fit.interval)})${wide}`]);
    out.push([a.log ? "tau (of the logarithm)" : "tau", Math.sqrt(fit.tau2).toFixed(2)]);
    return out;
  }

  function ticks(a, low, high) {
    const found = [];
    if (a.log) {
      for (let e = -6; e <= 6; e++) for (const m of [1, 2, 5]) { const x = Math.log(m * 10 ** e); if (x >= low && x <= high) found.push(x); }
      while (found.length > 6) found.splice(0, found.length, ...found.filter((x, i) => Math.abs(x) < 1e-9 || i % 2));
      return found;
    }
    const raw = (high - low) / 5, ten = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((m) => m * ten).find((x) => x >= raw);
    for (let x = Math.ceil(low / step) * step; x <= high + 1e-9; x += step) found.push(x);
    return found;
  }

  function picture(a, s, found, width) {
    const wide = width > 560, line = wide ? 26 : 40, left = wide ? Math.min(230, width * 0.34) : 8, right = wide ? width - 175 : width - 8;
    const pooled = [found.exact && ["Bayesian", found.exact], found.kept.length > 1 && [METHODS[s.method], found.fit]].filter(Boolean);
    const ends = [a.null, ...a.low, ...a.high, ...pooled.flatMap((p) => p[1].interval)].filter(Number.isFinite);
    let low = Math.min(...ends), high = Math.max(...ends);
    const room = (high - low) * 0.04 || 1;
    low -= room; high += room;
    const x = (z) => left + (Math.min(Math.max(z, low), high) - low) / (high - low) * (right - left);
    const count = a.labels.length + pooled.length, height = count * line + 46;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "whatif-forest" });
    svg.append(draw("title", {}, `Forest plot of ${same(a, s) ? "the plan's analysis" : "your selection"}: ${rows(a, s, found).map((r) => r.join(" ")).join("; ")}`));
    const base = count * line + 8;
    svg.append(draw("line", { x1: x(a.null), x2: x(a.null), y1: 4, y2: base, class: "null" }));
    if (s.mid !== null && a.better) svg.append(draw("line", { x1: x(s.mid), x2: x(s.mid), y1: 4, y2: base, class: "mid" }));
    const said = (at, name, text, extra) => {
      if (wide) {
        const room = Math.floor(left / 7.2);
        svg.append(draw("text", { x: 4, y: at + 4, class: extra }, name.length > room ? `${name.slice(0, room - 1)}\u2026` : name));
        svg.append(draw("text", { x: width - 2, y: at + 4, "text-anchor": "end", class: extra }, text));
      } else {
        svg.append(draw("text", { x: 4, y: at - 11, class: extra }, name.length > width / 13 ? `${name.slice(0, Math.floor(width / 13) - 1)}\u2026` : name));
        svg.append(draw("text", { x: width - 4, y: at - 11, "text-anchor": "end", class: extra }, text));
      }
    };
    const shares = new Map(found.kept.map((i, j) => [i, (found.exact ?? found.fit).weights[j]]));
    a.labels.forEach((label, i) => {
      const at = i * line + (wide ? 16 : 28), inside = shares.has(i), side = inside ? 4 + Math.sqrt(shares.get(i)) * 0.9 : 5;
      said(at, label, inside ? `${value(a, a.y[i])} (${span(a, [a.low[i], a.high[i]])})` : "left out", inside ? "" : "out");
      svg.append(draw("line", { x1: x(a.low[i]), x2: x(a.high[i]), y1: at, y2: at, class: inside ? "whisker" : "whisker out" }));
      svg.append(draw("rect", { x: x(a.y[i]) - side / 2, y: at - side / 2, width: side, height: side, class: inside ? "square" : "square out" }));
    });
    pooled.forEach(([name, result], i) => {
      const at = (a.labels.length + i) * line + (wide ? 18 : 30), [l, h] = result.interval.map(x), m = x(result.estimate);
      said(at, name, `${value(a, result.estimate)} (${span(a, result.interval)})`, "pooled");
      svg.append(draw("path", { d: `M${l} ${at}L${m} ${at - 6}L${h} ${at}L${m} ${at + 6}Z`, class: i || !found.exact ? "diamond open" : "diamond" }));
    });
    svg.append(draw("line", { x1: left, x2: right, y1: base, y2: base, class: "axis" }));
    for (const t of ticks(a, low, high)) {
      svg.append(draw("line", { x1: x(t), x2: x(t), y1: base, y2: base + 5, class: "axis" }));
      svg.append(draw("text", { x: x(t), y: base + 18, "text-anchor": "middle", class: "tick" }, a.log ? String(Number(Math.exp(t).toPrecision(3))) : plain(Number(t.toPrecision(6)), Number.isInteger(Number(t.toPrecision(6))) ? 0 : 1)));
    }
    svg.append(draw("text", { x: (left + right) / 2, y: base + 33, "text-anchor": "middle", class: "tick" }, a.measure));
    return svg;
  }

  /* A selection as the part of an address behind "#", and back; trials go by name. */
  function address(plan, a, s) {
    const q = new URLSearchParams({ whatif: plan, analysis: a.id });
    s.out.forEach((name) => q.append("out", name));
    if (s.family !== a.tau.family) q.set("prior", s.family);
    if (s.scale !== (a.tau.scale ?? null)) q.set("scale", s.scale);
    if (s.mid !== a.mid) q.set("threshold", Number(size(a, s.mid).toPrecision(6)));
    if (s.method !== a.method) q.set("estimator", s.method);
    return `#${q}`;
  }
  function fromAddress(a, q) {
    const s = planned(a), number = (name) => (q.has(name) && Number.isFinite(Number(q.get(name))) ? Number(q.get(name)) : null);
    s.out = q.getAll("out").filter((name) => a.labels.includes(name));
    if ([...FAMILIES, a.tau.family].includes(q.get("prior"))) { s.family = q.get("prior"); s.scale = s.family === a.tau.family ? a.tau.scale ?? null : a.unit; }
    if (number("scale") > 0) s.scale = number("scale");
    const mid = number("threshold");
    if (mid > 0 && a.better) s.mid = place(a, mid);
    if (q.get("estimator") in METHODS) s.method = q.get("estimator");
    return { s, unknown: q.getAll("out").filter((name) => !a.labels.includes(name)) };
  }

  function panel(host) {
    const { plan, lead, analyses } = JSON.parse(host.querySelector("script").textContent);
    const fold = make("details", { class: "whatif-fold" }, make("summary", {}, "What if? Leave trials out, or change what is assumed"));
    const body = make("div", { class: "whatif-body" });
    fold.append(body);
    host.append(fold);
    let a = analyses.find((x) => x.id === lead) ?? analyses[0], s = planned(a), note = "";

    function show() {
      body.replaceChildren();
      const id = (name) => `whatif-${plan}-${name}`;
      const field = (name, label, input) => make("p", {}, make("label", { for: id(name) }, label), " ", input);
      const choose = (name, options, chosen, then) => {
        const select = make("select", { id: id(name) }, ...options.map(([v, text]) => make("option", { value: v, selected: v === chosen }, text)));
        select.addEventListener("change", () => then(select.value));
        return select;
      };
      const enter = (name, now, check, then) => {
        const input = make("input", { id: id(name), type: "number", step: "any", value: now ?? "" });
        input.addEventListener("input", () => {
          const given = Number(input.value), good = input.value !== "" && Number.isFinite(given) && check(given);
          input.setAttribute("aria-invalid", String(!good));
          if (good) { then(given); answer(); }
        });
        return input;
      };
      const again = (change) => (x) => { change(x); show(); };
      if (analyses.length > 1) body.append(field("analysis", "Analysis", choose("analysis", analyses.map((x) => [x.id, x.title]), a.id, again((x) => { a = analyses.find((y) => y.id === x); s = planned(a); note = ""; }))));
      else body.append(make("p", {}, make("strong", {}, a.title)));
      if (note) body.append(make("p", { class: "alarm" }, note));
      const boxes = a.labels.map((label) => {
        const box = make("input", { type: "checkbox", checked: !s.out.includes(label) });
        box.addEventListener("change", () => { s.out = a.labels.filter((x) => (x === label ? !box.checked : s.out.includes(x))); answer(); });
        return make("label", {}, box, ` ${label}`);
      });
      body.append(make("fieldset", {}, make("legend", {}, "Trials"), ...boxes));
      const families = [...new Set([a.tau.family, ...FAMILIES])].map((x) => [x, NAMES[x] ?? x]);
      const settings = make("fieldset", {}, make("legend", {}, "Assumptions"));
      settings.append(field("prior", "Prior of the heterogeneity", choose("prior", families, s.family, again((x) => { s.family = x; s.scale = x === a.tau.family ? a.tau.scale ?? null : a.unit; }))));
      if (s.scale !== null) settings.append(field("scale", a.log ? "its scale (of the logarithm)" : "its scale", enter("scale", s.scale, (x) => x > 0, (x) => { s.scale = x; })));
      if (a.better) settings.append(field("threshold", `Threshold of an important benefit (${a.unitWords})`, enter("threshold", s.mid === null ? null : Number(size(a, s.mid).toPrecision(6)), (x) => x > 0, (x) => { s.mid = place(a, x); })));
      settings.append(field("method", "Estimator of the other engine", choose("method", Object.entries(METHODS), s.method, (x) => { s.method = x; answer(); })));
      body.append(settings);
      const back = make("button", { type: "button" }, "Back to the plan");
      back.addEventListener("click", again(() => { s = planned(a); note = ""; }));
      const link = make("a", {}, "Link to this selection");
      const result = make("div", { class: "whatif-result", role: "status" }), figure = make("div", { class: "whatif-figure" });
      body.append(make("p", {}, back, " ", link), result, figure);

      function answer() {
        const found = compute(a, s), own = !same(a, s);
        const title = own ? `Your selection: ${found.kept.length} of ${a.labels.length} trials` : `As planned: ${a.labels.length} trials`;
        const table = make("table", { class: "narrow" }, make("caption", {}, a.contrast));
        rows(a, s, found).forEach(([name, text]) => table.append(make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, text))));
        result.replaceChildren(make("p", {}, make("strong", {}, title)), table);
        figure.replaceChildren(picture(a, s, found, Math.max(300, Math.min(figure.clientWidth || 640, 900))));
        link.setAttribute("href", address(plan, a, s));
      }
      body.answer = answer;
      answer();
    }

    function open() {
      const q = new URLSearchParams(location.hash.slice(1));
      if (q.get("whatif") !== plan) return;
      const wanted = analyses.find((x) => x.id === q.get("analysis"));
      if (wanted) {
        const got = fromAddress(wanted, q);
        a = wanted; s = got.s;
        note = got.unknown.length ? `Not among the trials any more: ${got.unknown.join(", ")}.` : "";
      } else note = "That analysis is not on this page any more.";
      fold.open = true;
      show();
      fold.scrollIntoView();
    }
    fold.addEventListener("toggle", () => { if (fold.open && !body.childElementCount) show(); else if (fold.open) body.answer(); });
    window.addEventListener("resize", () => { if (fold.open && body.answer) body.answer(); });
    window.addEventListener("hashchange", open);
    open();
  }

  if (typeof document !== "undefined") {
    const start = () => document.querySelectorAll(".whatif").forEach(panel);
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
  }
  return { compute, rows, address, fromAddress, planned };
})();
