// Pictures that follow range inputs: every choice has its frame, drawn when the site was built.
for (const slider of document.querySelectorAll("figure.slider")) {
  const folder = slider.dataset.frames;
  const controls = [...slider.querySelectorAll("input, select")];
  const picture = slider.querySelector("img");
  const caption = slider.querySelector("figcaption");
  let said = null;

  const places = () => controls.map((control) => (control.tagName === "SELECT" ? control.selectedIndex : +control.value));

  async function follow() {
    const frame = places().join("-");
    picture.src = `${folder}/${frame}.webp`;
    said ??= fetch(`${folder}/about.json`).then((answer) => answer.json());
    const sentence = (await said).said[frame];
    if (frame !== places().join("-")) return; // it has been moved on
    picture.alt = caption.textContent = sentence;
  }

  for (const control of controls) {
    control.addEventListener("input", () => {
      if (control.type === "range") {
        const value = control.dataset.values.split(" ")[control.value];
        control.setAttribute("aria-valuetext", value);
        control.nextElementSibling.textContent = value;
      }
      follow();
    });
  }
}
