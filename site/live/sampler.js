// The arithmetic of mini_ddpm/schedules.py, diffusion.py and sampling.py, in the same order and with the same names.
// Images are arrays of numbers; alpha_bar has T + 1 entries, alpha_bar[0] is 1, and t runs over 1..T.

export function cosineAlphaBar(T, s = 0.008, maxBeta = 0.999) {
  const f = (t) => Math.cos(((t / T + s) / (1 + s)) * Math.PI / 2) ** 2;
  const alphaBar = [1];
  for (let t = 1; t <= T; t++) {
    const beta = Math.min(1 - f(t) / f(t - 1), maxBeta); // Eq. 17, Improved DDPM
    alphaBar.push(alphaBar[t - 1] * (1 - beta));
  }
  return alphaBar;
}

export function linearAlphaBar(T, beta1 = 1e-4, betaT = 0.02) {
  const alphaBar = [1];
  for (let t = 1; t <= T; t++) {
    const beta = (beta1 + ((betaT - beta1) * (t - 1)) / Math.max(T - 1, 1)) * (1000 / T);
    if (beta >= 1) throw new RangeError(`the linear schedule is too short at T = ${T}`);
    alphaBar.push(alphaBar[t - 1] * (1 - beta));
  }
  return alphaBar;
}

// n + 1 times from T down to 0, evenly spaced and rounded; halves go to the even number, as in Python.
export function timesteps(T, n) {
  return Array.from({ length: n + 1 }, (_, k) => {
    const time = (T * (n - k)) / n, below = Math.floor(time);
    if (time - below !== 0.5) return Math.round(time);
    return below % 2 ? below + 1 : below;
  });
}

const mixed = (a, x, b, y) => x.map((value, k) => a * value + b * y[k]);
const clamped = (x) => x.map((value) => Math.min(1, Math.max(-1, value)));

export const stepBeta = (a_t, a_s) => 1 - a_t / a_s;
export const posteriorVariance = (a_t, a_s) => ((1 - a_s) / (1 - a_t)) * stepBeta(a_t, a_s); // Eq. 7, DDPM

export const qSample = (x_0, eps, a_t) => mixed(Math.sqrt(a_t), x_0, Math.sqrt(1 - a_t), eps); // Eq. 4, DDPM
export const x0FromV = (x_t, v, a_t) => clamped(mixed(Math.sqrt(a_t), x_t, -Math.sqrt(1 - a_t), v));
export const guided = (withLabel, without, w) => mixed(w, withLabel, 1 - w, without); // classifier-free

function towards(x_t, x_0, a_t, a_s, variance) { // Eq. 12, DDIM, without its noise
  const eps = x_t.map((value, k) => (value - Math.sqrt(a_t) * x_0[k]) / Math.sqrt(1 - a_t));
  return mixed(Math.sqrt(a_s), x_0, Math.sqrt(Math.max(1 - a_s - variance, 0)), eps);
}

// A step maps what is known at t to x_s: {x_t, x_0, a_t, a_s, s, noise}, where noise() draws one for each pixel.
export const ddim = (eta) => ({ x_t, x_0, a_t, a_s, noise }) => {
  const variance = eta ** 2 * posteriorVariance(a_t, a_s); // Eq. 16, DDIM
  const mean = towards(x_t, x_0, a_t, a_s, variance);
  return eta === 0 ? mean : mixed(1, mean, Math.sqrt(variance), noise());
};

// The posterior at the predicted x_0, with beta or beta-tilde; no noise at s = 0. Algorithm 2, DDPM.
export const ancestral = (variance = posteriorVariance) => ({ x_t, x_0, a_t, a_s, s, noise }) => {
  const beta = stepBeta(a_t, a_s);
  const mean = mixed((Math.sqrt(a_s) * beta) / (1 - a_t), x_0, (Math.sqrt(1 - beta) * (1 - a_s)) / (1 - a_t), x_t);
  return s === 0 ? mean : mixed(1, mean, Math.sqrt(variance(a_t, a_s)), noise());
};

// DPM-Solver++(2M), Algorithm 2: DDIM towards an x_0 that is read ahead on a line in half the log-SNR.
export function dpmSolver() {
  let last = null; // the step in lambda and x_0 of the step before
  return ({ x_t, x_0, a_t, a_s, s }) => {
    const logit = (a) => Math.log(a / (1 - a));
    const h = s === 0 ? Infinity : (logit(a_s) - logit(a_t)) / 2;
    let ahead = x_0;
    if (last !== null && s > 0) ahead = mixed(1 + h / (2 * last.h), x_0, -h / (2 * last.h), last.x_0);
    last = { h, x_0 };
    return towards(x_t, ahead, a_t, a_s, 0);
  };
}

// Walk a chain of times from x_t: every step's {t, s, x_t, x_0}, with x_t at time s.
// predict(x_t, t) gives the velocity; it may take its time.
export async function* sample({ step, predict, alphaBar, chain, x_t, noise }) {
  for (let k = 0; k + 1 < chain.length; k++) {
    const [t, s] = [chain[k], chain[k + 1]];
    const [a_t, a_s] = [alphaBar[t], alphaBar[s]];
    const x_0 = x0FromV(x_t, await predict(x_t, t), a_t);
    x_t = step({ x_t, x_0, a_t, a_s, s, noise });
    yield { t, s, x_t, x_0 };
  }
}

// Standard normal numbers from a seed: mulberry32, and Box and Muller's pair.
export function normals(seed) {
  let state = seed >>> 0, spare = null;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
  const one = () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  return (n) => Float32Array.from({ length: n }, one);
}
