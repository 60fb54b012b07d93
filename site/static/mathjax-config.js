// For the page that typesets what the checker answers: what it needs of MathJax, from this site, and no menu or speech.
const here = new URL("../mathjax", document.currentScript.src).href;
window.MathJax = {
  loader: { load: ["core", "input/tex", "output/chtml", "a11y/assistive-mml"], paths: { mathjax: here, fonts: here } },
  output: { fontPath: `${here}/%%FONT%%-font` },
  options: { enableAssistiveMml: false }, // or it sets an option of the menu, which is not here
  startup: {
    typeset: false,
    ready() {
      MathJax.startup.defaultReady();
      MathJax.startup.document.options.enableAssistiveMml = true;
    },
  },
};
