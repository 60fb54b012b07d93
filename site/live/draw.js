// The page "Draw digits": the shipped network walks back from noise, step by step, and from your own digit.
import { busy } from "./busy.js";
import { load, PIXELS } from "./network.js";
import { Pad, show } from "./pictures.js";
import { ancestral, cosineAlphaBar, ddim, dpmSolver, normals, qSample, sample, timesteps } from "./sampler.js";

const by = (id) => document.getElementById(id);
const form = by("draw-form"), own = by("own-form"), pad = new Pad(by("own-pad"));

let network = null; // a promise, once somebody has asked
const ready = (status) => {
  if (network === null) status.textContent = "Loading the network ...";
  network ??= load();
  return network;
};

for (const slider of document.querySelectorAll("#draw-form input[type=range], #own-form input[type=range]")) {
  const output = slider.nextElementSibling;
  const tell = () => (output.textContent = slider.value);
  slider.addEventListener("input", tell);
  tell();
}

const fit = () => (form.elements.eta.disabled = form.elements.sampler.value !== "ddim");
form.elements.sampler.addEventListener("change", fit);
fit();

const samplers = { dpm: () => dpmSolver(), ddim: (eta) => ddim(eta), ancestral: () => ancestral() };

// --- from noise ---------------------------------------------------------------------------------------------

let walk = null; // {steps: what was seen so far, next: the walk, count, labels}

async function begin() {
  const { config, predict } = await ready(by("draw-status"));
  const asked = Object.fromEntries(new FormData(form));
  const labels = asked.digit === "all" ? [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] : [Number(asked.digit)];
  const random = normals(Number(asked.seed)), size = labels.length * PIXELS;
  const chain = timesteps(config.T, Number(asked.steps));
  const next = sample({
    step: samplers[asked.sampler](Number(asked.eta)),
    predict: predict(labels, Number(asked.guidance)),
    alphaBar: cosineAlphaBar(config.T),
    chain,
    x_t: random(size),
    noise: () => random(size),
  });
  walk = { next, steps: [], count: chain.length - 1, labels };
}

function look(k) {
  const { t, s, x_t, x_0 } = walk.steps[k];
  show(by("draw-x_t"), x_t);
  show(by("draw-x_0"), x_0);
  for (const name of ["draw-x_t", "draw-x_0"]) by(name).classList.toggle("single", walk.labels.length === 1);
  by("draw-progress").value = (k + 1) / walk.count;
  const who = walk.labels.length > 1 ? "the digits 0 to 9" : `a ${walk.labels[0]}`;
  by("draw-x_t").setAttribute("aria-label", `x_t at t = ${s}: ${who}, ${s ? "still with noise" : "finished"}`);
  by("draw-x_0").setAttribute("aria-label", `${who}, as the network predicts them from t = ${t}`);
  by("draw-status").textContent = `Step ${k + 1} of ${walk.count}: from t = ${t} to ${s}.`;
}

async function advance() {
  const { value, done } = await walk.next.next();
  if (done) return false;
  walk.steps.push(value);
  const back = by("draw-back");
  back.disabled = false;
  back.max = walk.steps.length - 1;
  back.value = back.max;
  look(walk.steps.length - 1);
  return true;
}

const working = (status, work) =>
  busy(work, (error) => {
    network = null;
    status.textContent = `That did not work: ${error.message}. Is the page whole? Reload it.`;
  });

form.addEventListener("submit", (event) => {
  event.preventDefault();
  working(by("draw-status"), async () => {
    await begin();
    const since = performance.now();
    while (await advance()) await new Promise(requestAnimationFrame);
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    by("draw-status").textContent = `Done: ${walk.count} steps in ${seconds} s. Look back with the slider below.`;
  });
});
by("draw-next").addEventListener("click", () => {
  if (!form.reportValidity()) return;
  working(by("draw-status"), async () => {
    if (walk === null || walk.steps.length === walk.count) await begin();
    await advance();
  });
});
form.addEventListener("change", () => (walk = walk && walk.steps.length === walk.count ? walk : null));
by("draw-back").addEventListener("input", (event) => walk && look(Number(event.target.value)));

// --- from your own digit --------------------------------------------------------------------------------------

by("own-clear").addEventListener("click", () => {
  pad.clear();
  by("own-result").getContext("2d").clearRect(0, 0, by("own-result").width, by("own-result").height);
  by("own-result").setAttribute("aria-label", "no result yet");
  by("own-status").textContent = "Nothing is drawn yet.";
});
own.addEventListener("submit", (event) => {
  event.preventDefault();
  const status = by("own-status");
  if (pad.empty) return void (status.textContent = "Draw a digit first.");
  working(status, async () => {
    const { config, predict } = await ready(status);
    const asked = Object.fromEntries(new FormData(own)), t = Number(asked.t);
    const alphaBar = cosineAlphaBar(config.T), random = normals(Number(asked.seed));
    const noised = qSample(pad.x, random(PIXELS), alphaBar[t]);
    const chain = [t, ...timesteps(config.T, 50).filter((s) => s < t)];
    const label = Number(asked.digit), step = ancestral();
    let last = noised;
    for await (const { s, x_t } of sample({
      step, predict: predict([label], label === config.no_label ? 1 : 1.5), alphaBar, chain, x_t: noised,
      noise: () => random(PIXELS),
    })) {
      last = x_t;
      status.textContent = `At t = ${s}.`;
      await new Promise(requestAnimationFrame);
    }
    const shown = new Float32Array(3 * PIXELS);
    [pad.x, noised, last].forEach((x, k) => shown.set(x, k * PIXELS));
    show(by("own-result"), shown);
    by("own-result").setAttribute("aria-label", `Your digit, the same with noise of t = ${t}, and where the walk ended.`);
    status.textContent = `From t = ${t} to 0 in ${chain.length - 1} steps.`;
  });
});
