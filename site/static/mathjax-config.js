// For the page that typesets what the checker answers. All of MathJax is on this site; its menu and its speech, which
// would load more, stay off.
const here = new URL("../mathjax", document.currentScript.src).href;
window.MathJax = {
  loader: { paths: { fonts: here } },
  output: { fontPath: `${here}/%%FONT%%-font` },
  options: { enableMenu: false, enableEnrichment: false, enableExplorer: false, enableSpeech: false, enableBraille: false, enableAssistiveMml: true },
  startup: { typeset: false },
};
