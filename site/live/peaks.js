// The page "Play with two peaks": data whose best denoiser is known, so that only the walk itself can be at fault.
import { ancestral, cosineAlphaBar, ddim, linearAlphaBar, normals, posteriorVariance, stepBeta, timesteps } from "./sampler.js";

const PEAKS = [{ weight: 0.35, mean: -1.3 }, { weight: 0.65, mean: 0.7 }]; // course/toys.py: TWO_PEAKS
const VARIANCE = 0.09, WALKS = 4000, EDGE = 2.8, BARS = 84, BETWEEN = -0.35;

const bell = (x, mean, variance) => Math.exp(-((x - mean) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
export const density = (x) => PEAKS.reduce((sum, { weight, mean }) => sum + weight * bell(x, mean, VARIANCE), 0);

// E[x_0 | x_t]: each peak's own guess, weighted by how likely x_t came from it.
export function denoised(x_t, a_t) {
  const spread = a_t * VARIANCE + 1 - a_t;
  const odds = PEAKS.map(({ weight, mean }) => Math.log(weight) - (x_t - Math.sqrt(a_t) * mean) ** 2 / (2 * spread));
  const most = Math.max(...odds), shares = odds.map((odd) => Math.exp(odd - most));
  const all = shares.reduce((sum, share) => sum + share);
  const guess = (mean) => mean + ((Math.sqrt(a_t) * VARIANCE) / spread) * (x_t - Math.sqrt(a_t) * mean);
  return PEAKS.reduce((sum, { mean }, k) => sum + (shares[k] / all) * guess(mean), 0);
}

export function walks({ schedule, T, steps, noise, seed }) {
  const alphaBar = (schedule === "linear" ? linearAlphaBar : cosineAlphaBar)(T);
  const random = normals(seed), chain = timesteps(T, steps);
  const step = { small: ancestral(posteriorVariance), large: ancestral(stepBeta), none: ddim(0) }[noise];
  let x_t = random(WALKS);
  for (let k = 0; k + 1 < chain.length; k++) {
    const [a_t, a_s] = [alphaBar[chain[k]], alphaBar[chain[k + 1]]];
    const x_0 = x_t.map((value) => denoised(value, a_t));
    x_t = step({ x_t, x_0, a_t, a_s, s: chain[k + 1], noise: () => random(WALKS) });
  }
  return x_t;
}

const heights = (x) => {
  const counts = new Array(BARS).fill(0);
  for (const value of x) counts[Math.floor(((value + EDGE) / (2 * EDGE)) * BARS)] += 1; // beyond an edge: no bar
  return counts.slice(0, BARS).map((count) => count / (x.length * ((2 * EDGE) / BARS)));
};

function draw(canvas, bars) {
  const context = canvas.getContext("2d"), [wide, high] = [canvas.width, canvas.height], top = 1.7;
  const ink = getComputedStyle(canvas.parentElement).color;
  const place = (x, y) => [((x + EDGE) / (2 * EDGE)) * wide, (high - 60) * (1 - y / top)];
  context.clearRect(0, 0, wide, high);
  context.fillStyle = "#56b4e9";
  bars.forEach((bar, k) => {
    const [left, y] = place(-EDGE + (k * 2 * EDGE) / BARS, Math.min(bar, top));
    context.fillRect(left, y, wide / BARS - 1, high - 60 - y);
  });
  context.strokeStyle = context.fillStyle = ink;
  context.lineWidth = 4;
  context.beginPath();
  for (let x = -EDGE; x <= EDGE; x += 0.01) context.lineTo(...place(x, density(x)));
  context.stroke();
  context.font = "30px sans-serif";
  context.textAlign = "center";
  for (const x of [-2, -1, 0, 1, 2]) context.fillText(String(x).replace("-", "−"), place(x, 0)[0], high - 15);
}

const wrongArea = (bars) =>
  bars.reduce((sum, bar, k) => {
    const x = -EDGE + ((k + 0.5) * 2 * EDGE) / BARS;
    return sum + (Math.abs(bar - density(x)) * 2 * EDGE) / BARS / 2;
  }, 0);

// As many draws of the data themselves: the luck that no walk can beat.
function drawsOfTheData() {
  const random = normals(1), which = random(WALKS), within = random(WALKS);
  return which.map((z, k) => PEAKS[z < -0.38532 ? 0 : 1].mean + Math.sqrt(VARIANCE) * within[k]); // 35% lie below
}
const LUCK = wrongArea(heights(drawsOfTheData()));

function redraw(form) {
  const asked = Object.fromEntries(new FormData(form));
  const [T, steps] = [Number(asked.T), Number(asked.steps)];
  const x = walks({ ...asked, T, steps, seed: Number(asked.seed) }), bars = heights(x);
  const left = x.filter((value) => value < BETWEEN).length / x.length;
  const words =
    `After ${steps} step${steps > 1 ? "s" : ""}: ${(100 * left).toFixed(0)}% of the walks end at the left peak (35% of the data are there); ` +
    `${(100 * wrongArea(bars)).toFixed(0)}% of the bars' area lies in the wrong place (${(100 * LUCK).toFixed(0)}% with as many draws of the data).`;
  draw(document.getElementById("peaks-picture"), bars);
  document.getElementById("peaks-status").textContent = words;
  document.getElementById("peaks-picture").setAttribute("aria-label", `Histogram and density. ${words}`);
}

const form = document.getElementById("peaks-form");
if (form) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    form.elements.steps.nextElementSibling.textContent = form.elements.steps.value;
    if (form.checkValidity()) redraw(form);
  });
  form.dispatchEvent(new Event("input"));
}
