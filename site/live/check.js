// The page "Check a line": exercises of Part I, and lines of one's own.
import { busy } from "./busy.js";
import { ask } from "./checker.js";

const by = (id) => document.getElementById(id);
const form = by("exercise-form"), own = by("lines-form"), reply = by("exercise-reply");
const exercises = await (await fetch(new URL("./exercises.json", import.meta.url))).json();
let hints = 0;

const progress = (done, words) => {
  by("check-progress").value = done;
  by("check-status").textContent = done < 1 ? `Loading: ${words} ...` : "Python and the checker are here.";
};

// The package writes dollars around mathematics and styles of its own; the page has \( \) and classes.
const cleaned = (text) =>
  text.replace(/ style="[^"]*"/g, ' class="refusal"').replace(/\$\$(.+?)\$\$/gs, "\\[$1\\]").replace(/\$(.+?)\$/gs, "\\($1\\)");

async function show(place, text, right = null, plain = false) {
  place.className = right === null ? "" : right ? "right" : "wrong";
  if (plain) place.textContent = cleaned(text);
  else place.innerHTML = cleaned(text);
  await typeset(place);
}

async function typeset(place) {
  const soon = () => new Promise((resolve) => setTimeout(resolve, 50));
  while (window.MathJax && !window.MathJax.typesetPromise) await soon(); // it comes with the page, a little later
  await window.MathJax?.typesetPromise([place]);
}

const working = (place, work) =>
  busy(work, (error) => show(place, `That did not work: ${error.message}`, false, true));

const select = form.elements.number;
for (const { notebook, exercises: some } of exercises) {
  const group = document.createElement("optgroup");
  group.label = notebook;
  for (const { number, kind } of some) group.append(new Option(`${number}, ${kind}`, number));
  select.append(group);
}
const statements = new Map(exercises.flatMap((group) => group.exercises).map((one) => [one.number, one]));

const writesFunction = () => statements.get(select.value).kind === "compute";

async function choose() {
  hints = 0;
  form.elements.answer.rows = writesFunction() ? 8 : 1;
  form.elements.answer.value = "";
  await show(reply, "");
  await show(by("exercise-statement"), statements.get(select.value).html);
}
select.addEventListener("change", () => {
  history.replaceState(null, "", `?exercise=${select.value}`);
  return choose();
});
form.elements.answer.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || writesFunction()) return;
  event.preventDefault();
  form.requestSubmit();
});
const wanted = new URLSearchParams(location.search).get("exercise");
if (statements.has(wanted)) select.value = wanted;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  working(reply, async () => {
    const { right, words } = await ask(progress, "reply", select.value, form.elements.answer.value);
    await show(reply, `${right ? "Right." : "Not yet."} ${words}`, right, true);
  });
});
by("exercise-hint").addEventListener("click", () =>
  working(reply, async () => {
    const words = await ask(progress, "hint", select.value, hints);
    await show(reply, words ? `Hint ${++hints}: ${words}` : "There are no more hints; the solution is next.", null, true);
  }),
);
by("exercise-solution").addEventListener("click", () =>
  working(reply, async () => show(reply, `Solution: ${await ask(progress, "solution", select.value)}`, null, true)),
);
own.addEventListener("submit", (event) => {
  event.preventDefault();
  const { text, positive, real } = Object.fromEntries(new FormData(own));
  working(by("lines-reply"), async () => {
    const { right, html, words } = await ask(progress, "lines", text, positive, real);
    await show(by("lines-reply"), `${html}${words ? `<p>${words}</p>` : ""}`, right);
  });
});
await choose();
