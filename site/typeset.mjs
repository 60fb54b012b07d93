// Mathematics becomes HTML here, once, so that no page has to compute it: reads [[tex, display], ...] as JSON from
// standard input, writes {html: [...], css}. Each formula carries its MathML for screen readers.
import MathJax from "mathjax";
import { text } from "node:stream/consumers";

await MathJax.init({
  loader: { load: ["input/tex", "output/chtml", "adaptors/liteDOM", "a11y/assistive-mml"] },
  chtml: { fontURL: "../mathjax/mathjax-newcm-font/chtml/woff2", linebreaks: { inline: true } },
});
const { adaptor, output, document } = MathJax.startup;
const html = [];
for (const [tex, display] of JSON.parse(await text(process.stdin))) {
  // A displayed formula of one line is set like one in the text, which a browser can break where a phone's edge is.
  const breakable = display && !/\\begin|\\tag/.test(tex);
  const source = breakable ? `\\displaystyle ${tex}` : tex;
  const node = await MathJax.tex2chtmlPromise(source, { display: display && !breakable });
  const shown = adaptor.outerHTML(node).replace(/ data-latex="[^"]*"/g, "");
  if (shown.includes("mjx-merror")) throw new Error(`not understood: ${tex}`);
  html.push(shown);
}
console.log(JSON.stringify({ html, css: adaptor.cssText(output.styleSheet(document)) }));
