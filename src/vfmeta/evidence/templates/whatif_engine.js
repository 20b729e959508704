"use strict";
/* Statistics of the what-if panel: arrays in, numbers out, nothing of the page. The quantiles are written from the papers named. */
const vfmetaEngine = (() => {
  const ROOT_2PI = Math.sqrt(2 * Math.PI);
  const sum = (n, f) => { let s = 0; for (let i = 0; i < n; i++) s += f(i); return s; };

  /* Upper tail of the standard normal, z >= 0: Marsaglia's series (J Stat Softw 2004;11(4)) inside, Laplace's continued fraction beyond. */
  function upper(z) {
    if (z > 39) return 0;
    const density = Math.exp(-z * z / 2) / ROOT_2PI;
    if (z < 3) {
      let term = z, total = z;
      for (let i = 3; term > 1e-18 * total; i += 2) { term *= z * z / i; total += term; }
      return 0.5 - density * total;
    }
    let f = z;
    for (let i = 70; i > 0; i--) f = z + i / f;
    return density / f;
  }
  const normalCdf = (x) => (x > 0 ? 1 - upper(x) : upper(-x));

  /* Start of Abramowitz and Stegun 26.2.23 (error below 4.5e-4), then Halley's steps on the tail itself. */
  function normalQuantile(p) {
    if (!(p > 0 && p < 1)) return p === 0 ? -Infinity : p === 1 ? Infinity : NaN;
    if (p > 0.5) return -normalQuantile(1 - p);
    const t = Math.sqrt(-2 * Math.log(p));
    let z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (let i = 0; i < 4; i++) {
      const step = (normalCdf(-z) - p) / (Math.exp(-z * z / 2) / ROOT_2PI);
      z += step / (1 + z * step / 2);
    }
    return -z;
  }

  /* Stirling's series, after raising the argument above 15. */
  function logGamma(x) {
    let shift = 0;
    while (x < 15) { shift += Math.log(x); x += 1; }
    const r = 1 / (x * x);
    const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r * (1 / 1188 - r * 691 / 360360))))) / x;
    return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series - shift;
  }

  /* Regularised incomplete beta function by its continued fraction (DLMF 8.17.22, evaluated forwards); `rest` is 1 - x. */
  function incompleteBeta(a, b, x, rest) {
    if (x <= 0) return 0;
    if (rest <= 0) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(b, a, rest, x);
    let c = 1, d = 0, f = 1;
    for (let j = 1; j < 20000; j++) {
      const m = Math.floor(j / 2);
      const top = j % 2 ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)) : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 / (1 + top * d);
      c = 1 + top / c;
      f *= c * d;
      if (Math.abs(c * d - 1) < 1e-16) break;
    }
    return Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(rest)) / (a * f);
  }

  const tUpper = (t, df) => incompleteBeta(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t)) / 2;
  const tCdf = (t, df) => (t > 0 ? 1 - tUpper(t, df) : tUpper(t, df));

  /* Cornish-Fisher series (Abramowitz and Stegun 26.7.5) where the degrees of freedom are many, else Newton inside a bracket. */
  function tQuantile(p, df) {
    if (p < 0.5) return -tQuantile(1 - p, df);
    if (p === 0.5) return 0;
    if (df === 1) return Math.tan(Math.PI * (p - 0.5));
    const z = normalQuantile(p), z2 = z * z;
    let t = z * (1 + (z2 + 1) / (4 * df) + ((5 * z2 + 16) * z2 + 3) / (96 * df * df) + (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * df ** 3));
    if (df > 1e5) return t;
    let low = z, high = Math.max(t, z) + 1;
    while (tUpper(high, df) > 1 - p) { low = high; high *= 2; }
    if (!(t > low && t < high)) t = (low + high) / 2;
    const front = logGamma((df + 1) / 2) - logGamma(df / 2) - Math.log(df * Math.PI) / 2;
    for (let i = 0; i < 200; i++) {
      const excess = tUpper(t, df) - (1 - p);
      if (excess > 0) low = t; else high = t;
      let next = t + excess / Math.exp(front - (df + 1) / 2 * Math.log1p(t * t / df));
      if (!(next > low && next < high)) next = (low + high) / 2;
      if (Math.abs(next - t) <= 1e-15 * Math.abs(t)) return next;
      t = next;
    }
    return t;
  }

  /* Mean at weights 1 / (v + tau2), and what the estimators of tau2 need of it. */
  function weighted(y, v, tau2) {
    let w = 0, wy = 0, w2 = 0, logs = 0;
    for (let i = 0; i < y.length; i++) { const x = 1 / (v[i] + tau2); w += x; wy += x * y[i]; w2 += x * x; logs += Math.log(x); }
    const mean = wy / w;
    let q = 0, q2 = 0;
    for (let i = 0; i < y.length; i++) { const x = 1 / (v[i] + tau2), r = y[i] - mean; q += x * r * r; q2 += x * x * r * r; }
    return { w, w2, mean, q, score: (-w + w2 / w + q2) / 2, logLikelihood: (logs - Math.log(w) - q) / 2 };
  }

  function root(f, low, high) {
    for (let i = 0; i < 400 && high - low > 1e-16 * high; i++) {
      const middle = (low + high) / 2;
      if (f(middle) > 0) low = middle; else high = middle;
    }
    return (low + high) / 2;
  }

  const spread = (y) => { const m = sum(y.length, (i) => y[i]) / y.length; return sum(y.length, (i) => (y[i] - m) ** 2) / (y.length - 1); };

  const TAU2 = {
    REML(y, v) {
      const unit = Math.max(spread(y), sum(v.length, (i) => v[i]) / v.length);
      let best = 0, height = weighted(y, v, 0).logLikelihood, before = 0, rising = weighted(y, v, 0).score > 0;
      for (let j = 0; j <= 240; j++) { /* every maximum between 1e-8 and 1e4 times the unit */
        const at = unit * 10 ** (-8 + j / 20), now = weighted(y, v, at).score > 0;
        if (rising && !now) {
          const top = root((x) => weighted(y, v, x).score, before, at), found = weighted(y, v, top).logLikelihood;
          if (found > height) { best = top; height = found; }
        }
        before = at; rising = now;
      }
      return best;
    },
    DL(y, v) {
      const f = weighted(y, v, 0);
      return Math.max(0, (f.q - (y.length - 1)) / (f.w - f.w2 / f.w));
    },
    PM(y, v) {
      const excess = (x) => weighted(y, v, x).q - (y.length - 1);
      if (excess(0) <= 0) return 0;
      let high = spread(y) + v[0];
      while (excess(high) > 0) high *= 2;
      return root(excess, 0, high);
    },
  };

  /* Random effects: method "REML", "DL" or "PM"; test "HKSJ" (t with k - 1 df) or "Wald". One trial is its own interval. */
  function pool(y, v, method, test, level) {
    const k = y.length;
    if (k === 1) {
      const half = normalQuantile(0.5 + level / 2) * Math.sqrt(v[0]);
      return { k, estimate: y[0], se: Math.sqrt(v[0]), interval: [y[0] - half, y[0] + half], adhoc: null, tau2: null, weights: [100] };
    }
    const tau2 = TAU2[method](y, v), f = weighted(y, v, tau2), plain = 1 / Math.sqrt(f.w);
    const factor = test === "HKSJ" ? Math.sqrt(f.q / (k - 1)) : 1;
    const quantile = test === "HKSJ" ? tQuantile(0.5 + level / 2, k - 1) : normalQuantile(0.5 + level / 2);
    const span = (se) => [f.mean - quantile * se, f.mean + quantile * se];
    return {
      k, estimate: f.mean, se: plain * factor, interval: span(plain * factor), tau2,
      adhoc: factor < 1 ? span(plain) : null, weights: y.map((_, i) => 100 / (v[i] + tau2) / f.w),
    };
  }

  /* Log densities of tau, up to a constant; the page says which family and with what parameters. */
  const PRIORS = {
    HalfNormal: (p) => (t) => -((t / p.scale) ** 2) / 2,
    HalfCauchy: (p) => (t) => -Math.log1p((t / p.scale) ** 2),
    HalfT: (p) => (t) => -(p.df + 1) / 2 * Math.log1p((t / p.scale) ** 2 / p.df),
    Exponential: (p) => (t) => -t / p.scale,
    LogNormal: (p) => (t) => -Math.log(t) - (((Math.log(t) - p.meanlog) / p.sdlog) ** 2) / 2,
    Uniform: () => () => 0,
    Jeffreys: (p, v) => (t) => Math.log(sum(v.length, (i) => (t / (v[i] + t * t)) ** 2)) / 2,
  };
  /* How fast the integrand must fall at infinity: powers of tau in the prior's tail. */
  const TAIL = { HalfNormal: Infinity, HalfCauchy: 1, Exponential: Infinity, LogNormal: Infinity, Uniform: -1, Jeffreys: 0 };

  /* Normal-normal model, exact: given tau the mean is normal, and tau is summed by the trapezoidal rule in u, tau = s exp(sinh u). */
  function posterior(y, v, tau, mu, level) {
    const k = y.length, prior = PRIORS[tau.family](tau, v);
    const tail = tau.family === "HalfT" ? tau.df : TAIL[tau.family];
    if (!(tail + (mu ? k : k - 1) > 0)) return null;
    const precision = mu ? 1 / (mu.sd * mu.sd) : 0;
    function given(t) {
      let w = precision, wy = precision ? precision * mu.mean : 0, logs = 0;
      for (let i = 0; i < k; i++) { const x = 1 / (v[i] + t * t); w += x; wy += x * y[i]; logs += Math.log(x); }
      const mean = wy / w;
      let q = precision ? precision * (mu.mean - mean) ** 2 : 0;
      for (let i = 0; i < k; i++) q += (y[i] - mean) ** 2 / (v[i] + t * t);
      return { mean, variance: 1 / w, log: (logs - Math.log(w) - q) / 2 + prior(t) };
    }
    const unit = Math.sqrt(Math.max(k > 1 ? spread(y) : 0, sum(k, (i) => v[i]) / k));
    let centre = unit, height = -Infinity;
    for (let j = -60; j <= 40; j++) {
      const t = unit * 10 ** (j / 20), found = given(t).log + Math.log(t);
      if (found > height) { height = found; centre = t; }
    }
    const nodes = [], step = 0.025;
    for (let u = -4.2; u <= 4.2001; u += step) {
      const t = centre * Math.exp(Math.sinh(u));
      if (!(t > 1e-150 && t < 1e150)) continue;
      const g = given(t);
      nodes.push({ t, mean: g.mean, variance: g.variance, log: g.log + Math.log(t) + Math.log(Math.cosh(u)) });
    }
    const top = Math.max(...nodes.map((n) => n.log)), kept = nodes.filter((n) => n.log > top - 42);
    const total = kept.reduce((s, n) => s + Math.exp(n.log - top), 0);
    kept.forEach((n) => { n.p = Math.exp(n.log - top) / total; });
    const mixture = (extra) => {
      const sd = kept.map((n) => Math.sqrt(n.variance + (extra ? n.t * n.t : 0)));
      const cdf = (x) => kept.reduce((s, n, i) => s + n.p * normalCdf((x - n.mean) / sd[i]), 0);
      const density = (x) => kept.reduce((s, n, i) => s + n.p * Math.exp(-(((x - n.mean) / sd[i]) ** 2) / 2) / (sd[i] * ROOT_2PI), 0);
      const quantile = (p) => {
        let low = Infinity, high = -Infinity, x = 0, width = 0;
        kept.forEach((n, i) => { x += n.p * n.mean; width += n.p * Math.min(sd[i], 1e3 * unit); });
        for (low = x - width; cdf(low) > p;) { width *= 2; low = x - width; }
        for (high = x + width; cdf(high) < p;) { width *= 2; high = x + width; }
        for (let i = 0; i < 100; i++) {
          const excess = cdf(x) - p;
          if (excess > 0) high = x; else low = x;
          let next = x - excess / density(x);
          if (!(next > low && next < high)) next = (low + high) / 2;
          if (Math.abs(next - x) < 1e-13 * (unit + Math.abs(x))) return next;
          x = next;
        }
        return x;
      };
      return { cdf, density, quantile };
    };
    const mean = mixture(false), next = mixture(true), ends = [0.5 - level / 2, 0.5 + level / 2];
    return {
      k, estimate: mean.quantile(0.5), interval: ends.map(mean.quantile), next: ends.map(next.quantile), below: mean.cdf,
      weights: y.map((_, i) => 100 * kept.reduce((s, n) => s + n.p / (v[i] + n.t * n.t) / (1 / n.variance - precision), 0)),
    };
  }

  return { normalCdf, normalQuantile, tCdf, tQuantile, pool, posterior };
})();
if (typeof module !== "undefined") module.exports = vfmetaEngine;
