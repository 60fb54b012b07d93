// Python in the browser, away from the page: SymPy and the package's checker, from files of this site.
import { loadPyodide } from "./vendor/pyodide/pyodide.mjs";

const FILES = ["mpmath.whl", "sympy.whl", "mini_ddpm.zip"];
const here = (name) => new URL(name, import.meta.url).href;

async function start() {
  const tell = (done, words) => postMessage({ done, of: FILES.length + 3, words });
  tell(0, "Python");
  const python = await loadPyodide({ indexURL: here("./vendor/pyodide/") });
  for (const [k, name] of FILES.entries()) {
    tell(k + 1, name);
    const bytes = await (await fetch(here(`./vendor/python/${name}`))).arrayBuffer();
    python.unpackArchive(bytes, name.endsWith("whl") ? "wheel" : "zip", {
      extractDir: python.runPython("import site; site.getsitepackages()[0]"),
    });
  }
  tell(FILES.length + 1, "SymPy and the checker");
  const source = await (await fetch(here("./checker.py"))).text();
  python.FS.writeFile("/home/pyodide/checker.py", source);
  const checker = python.pyimport("checker");
  tell(FILES.length + 3, "ready");
  return checker;
}

const checker = start();
checker.catch((error) => postMessage({ failed: error.message }));

onmessage = async ({ data: { id, name, args } }) => {
  try {
    const found = (await checker)[name](...args);
    const value = found?.toJs ? found.toJs({ dict_converter: Object.fromEntries }) : found;
    postMessage({ id, value });
  } catch (error) {
    postMessage({ id, error: error.message.trim().split("\n").at(-1) });
  }
};
