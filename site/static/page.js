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

// A wide box is measured when it is drawn first and when its size or its letters change.
const measured = new ResizeObserver((boxes) => {
  for (const { target: box } of boxes) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
});
function measure() {
  measured.disconnect();
  for (const box of document.querySelectorAll("pre, div.math, .derivation, .table-wrapper, .output.text_html")) measured.observe(box);
}
measure();
document.fonts.addEventListener("loadingdone", measure);

// Parts of a page are laid out when they are near: who is sent to one of them waits for all, or lands elsewhere.
function land() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  document.body.classList.add("whole");
  target.scrollIntoView({ behavior: "instant" });
}
addEventListener("hashchange", land);
land();

// The theme's menus are labels of hidden boxes: buttons for the keyboard, too.
for (const label of document.querySelectorAll("label.nav-overlay-icon, label.toc-overlay-icon")) {
  const box = document.getElementById(label.htmlFor);
  const tell = () => label.setAttribute("aria-expanded", box.checked);
  label.tabIndex = 0;
  label.setAttribute("role", "button");
  if (!label.textContent.trim()) label.setAttribute("aria-label", "On this page");
  label.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    label.click();
  });
  box.addEventListener("change", tell);
  tell();
}
