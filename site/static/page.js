// Code: unfold all, and remember it. Wide things that scroll: reachable by keyboard.
const folded = document.querySelectorAll("details.code");
if (folded.length) {
  const button = document.createElement("button");
  button.className = "unfold";
  const set = (open) => {
    folded.forEach((one) => (one.open = open));
    button.textContent = open ? "Fold all code" : "Unfold all code";
    button.setAttribute("aria-pressed", open);
  };
  set(localStorage.getItem("code") === "open" || document.querySelector(".tag_opened") !== null);
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    localStorage.setItem("code", open ? "open" : "folded");
    set(open);
  });
  document.querySelector("h1").after(button);
}

function reachable() {
  for (const box of document.querySelectorAll("pre, div.math, .derivation, .table-wrapper, .output.text_html")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", () => document.fonts.ready.then(reachable)); // letters of mathematics have their own widths
addEventListener("resize", reachable);
addEventListener("toggle", reachable, true); // what was folded has had no width
